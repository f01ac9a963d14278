"""The whole OpenAPI document against a running edge, by whatever schemathesis can think of."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.web.description import ADMIN_TOKEN, DOCUMENT, described, operations

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")

PROGRAM: Final = "from schemathesis.cli import schemathesis; schemathesis()"

NO_HEAD: Final = ("--exclude-method", "HEAD")
"""HEAD is the same code as GET; with it this takes twice as long."""


@pytest.mark.timeout(600)  # 20 s, on a machine that does nothing else
async def test_edge_keeps_to_its_document(tmp_path: Path) -> None:
    """
    Whatever is asked, right or wrong, nothing fails, and each answer is a documented one.

    That is: no 5xx; status codes, content types, headers and bodies as they are described; what
    is not as described is refused; admin calls need their token, and other methods are refused.
    """
    # As a file: what it is loaded from, schemathesis does not ask.
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    async with described() as house:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, f"--config-file={CONFIG}", "run", *NO_HEAD),
            *("openapi.json", f"--url={house.base}", "--continue-on-failure", "--no-color"),
            *("--header", f"Authorization: Bearer {ADMIN_TOKEN}"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    told = output.decode()
    assert process.returncode == 0, told
    tested = re.search(r"Tested: (\d+)", told)
    assert tested is not None, told
    assert int(tested[1]) == sum(method != "head" for _, method, _, _ in operations())
