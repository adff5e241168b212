"""A Pacemaker CIB as Backstay's manifests, with a report of what they cannot hold."""

from backstay.cib.importing.importer import Imported, import_cib
from backstay.cib.importing.report import Item, Weight

__all__ = ["Imported", "Item", "Weight", "import_cib"]
