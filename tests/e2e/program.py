"""The ``consul`` program as tests run it: at Consul directly, or at the edge."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from tests.consul import ConsulAgent
from tests.edge import EdgeProcess
from tests.peers import peer
from tests.processes import Process, clean_environment

Where = ConsulAgent | EdgeProcess

UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
SHORT_ID = re.compile(r"(?<=agent-one  )[0-9a-f]{8}\b")
NUMBER = re.compile(r"((?:Modify|Create)Index\"?:? +|ndex = )\d+")

COMMANDS: Final = """
catalog datacenters
catalog nodes
catalog nodes -detailed
catalog nodes -service=consul
catalog services
catalog services -tags
members
members -detailed
members -wan
kv put fruit/apple green
kv put -flags=42 fruit/pear yellow
kv put fruit/apple red
kv put -cas -modify-index=1 fruit/apple blue
kv put -cas -modify-index=0 fruit/plum blue
kv put -base64 fruit/bytes AAECAwT/
kv get fruit/apple
kv get -detailed fruit/apple
kv get -base64 fruit/bytes
kv get -recurse fruit/
kv get -keys fruit
kv get -keys -separator= fruit
kv get nothing
kv get -stale fruit/pear
kv get -consistent fruit/pear
kv export fruit/
kv import -prefix=copy/ [{"key":"a/b","flags":0,"value":"eA=="}]
kv get -recurse copy
kv delete fruit/pear
kv delete -cas -modify-index=1 fruit/apple
kv delete -recurse fruit/
kv get -recurse fruit/
maint -enable -reason=paint
maint
maint -disable
maint
services register -name=web -port=80 -tag=one
maint -enable -service=web
maint
services deregister -id=web
event -name=deploy payload
intention create -deny web db
intention check web db
intention match db
intention get web db
intention delete web db
config list -kind service-defaults
connect ca get-config
operator raft list-peers
operator autopilot get-config
operator autopilot set-config -max-trailing-logs=300
operator autopilot get-config
acl policy list
rtt agent-one agent-one
force-leave nobody
reload
watch -type=nodes
watch -type=services
watch -type=service -service=consul
watch -type=checks -state=passing
watch -type=keyprefix -prefix=copy/
catalog nodes -datacenter=nope
kv get -token=nonsense copy/a/b
"""


def consul(where: Where, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the program."""
    return subprocess.run(
        [peer("consul"), *words],
        env=clean_environment() | {"CONSUL_HTTP_ADDR": where.http},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",  # some values are no text
        timeout=30,
        check=False,
    )


def background(where: Where, folder: Path, name: str, *words: str) -> Process:
    """Start a command that goes on; its output is in the log."""
    environment = {"CONSUL_HTTP_ADDR": where.http, "PATH": os.environ["PATH"]}
    return Process(name, (peer("consul"), *words), folder / f"{name}.log", environment)


def said(where: Where, consul_address: str, line: str) -> tuple[int, str, str]:
    """Run a command and mask in what it said what each Consul makes up by itself."""
    done = consul(where, *line.split())
    texts = []
    for text in (done.stdout, done.stderr):
        text = text.replace(where.http, "<http>").replace(consul_address, "<address>")
        text = NUMBER.sub(r"\1<n>", UUID.sub("<uuid>", text))
        # Columns are as wide as the addresses in them.
        texts.append(SHORT_ID.sub("<id>", re.sub(r"  +", "  ", text)))
    return done.returncode, texts[0], texts[1]
