"""The document of `doorward.check/1`, written role by role."""

import json
from typing import IO

from doorward_cli.checking import FORMAT, Report


def write_report(report: Report, stream: IO[str]) -> None:
    """ASCII only: no terminal reads it as anything else, and no locale fails to write it."""
    stream.write(f'{{\n  "format": {json.dumps(FORMAT)},\n  "roles": [')
    for index, each in enumerate(report.roles):
        stream.write(f"{',' if index else ''}\n    {_indented(each.as_json(), 4)}")
    stream.write("\n  ]" if report.roles else "]")
    stream.write(f',\n  "errors": {_indented(report.errors_as_json(), 2)},\n  "summary": {_indented(report.summary(), 2)}\n}}\n')


def _indented(value: object, columns: int) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True).replace("\n", "\n" + " " * columns)
