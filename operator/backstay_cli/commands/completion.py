"""`completion`: a script for a shell, made from the parser itself, so that it never lags behind it.

kubectl completes a plugin through an executable `kubectl_complete-ha` on the PATH; the scripts here serve `kubectl-ha` typed by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from backstay_cli.arguments import build_parser


def completion(arguments: argparse.Namespace) -> int:
    print(_bash() if arguments.shell == "bash" else _zsh())
    return 0


def word_table(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """(command path, words that may follow it), the root first."""
    words = [
        option for action in parser._actions for option in action.option_strings if option.startswith("--")
    ]
    children: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            children = list(action.choices.items())
    yield path, [*(name for name, _ in children), *words]
    for name, child in children:
        yield from word_table(child, f"{path} {name}".strip())


def _bash() -> str:
    cases = "\n".join(
        f'    "{path}") words="{" ".join(words)}" ;;' for path, words in word_table(build_parser())
    )
    return f"""# kubectl-ha completion for bash: source <(kubectl-ha completion bash)
_kubectl_ha() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{COMP_WORDS[i]}}"
    case "$word" in -*) continue ;; esac
    case " $(_kubectl_ha_words "$path") " in *" $word "*) path="${{path:+$path }}$word" ;; esac
  done
  words="$(_kubectl_ha_words "$path")"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
_kubectl_ha_words() {{
  local words=""
  case "$1" in
{cases}
  esac
  echo "$words"
}}
complete -F _kubectl_ha kubectl-ha"""


def _zsh() -> str:
    """zsh runs the bash function through its compatibility layer."""
    return "autoload -U +X bashcompinit && bashcompinit\n" + _bash()
