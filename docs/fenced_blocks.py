"""Prints the fenced code blocks of one language in a Markdown file: `python docs/fenced_blocks.py README.md sh`.

CI and a test run what the documents tell their reader to run.
"""

import re
import sys
from pathlib import Path


def fenced_blocks(markdown: str, language: str) -> list[str]:
    """The contents of the blocks that are marked with exactly this language, in order."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    path, language = sys.argv[1:]
    print("\n".join(fenced_blocks(Path(path).read_text(), language)), end="")
