"""CEL, the language of x-kubernetes-validations, compiled to closures over plain JSON values.

The part of CEL that validation rules use: operators, macros, strings, lists, maps, and the string functions of
Kubernetes. It looks at the value as it is, so a rule costs microseconds however large the object.
"""

from backstay.objectstore.expressions.compiling import CelRules

__all__ = ["CelRules"]
