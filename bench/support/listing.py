"""Names the programs and what each measures; with a name that is none, ends with status 2."""

import ast
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def main() -> int:
    """Print the list."""
    if len(sys.argv) > 1:
        print(f"sheepfold: there is no bench/{sys.argv[1]}.py", file=sys.stderr)
    print("./sheepfold bench NAME [--help]\n")
    for path in sorted(FOLDER.glob("*.py")):
        words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        print(f"  {path.stem:12} {words.splitlines()[0]}")
    return 2 if len(sys.argv) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
