"""
Every setting: its name, kind, default and meaning, once.

Rule 1: a field here is a key of the file, ``section.key`` of the problems and of print-config,
and ``CONSUL_EDGE_SECTION__KEY`` in the environment; its annotation says how it is read.
Rule 2: a field exists only if some code reads it.
Durations are seconds and sizes are bytes; only the texts outside have units.
"""

from consul_edge.config.enriched import Nodes, Rules, Sites
from consul_edge.config.fields import (
    AccessList,
    AgentReads,
    Bytes,
    CacheMode,
    Count,
    EndpointRules,
    File,
    Folder,
    Format,
    Hosts,
    KvPrefixes,
    Level,
    Listens,
    MaybeNone,
    MaybeSecret,
    NewFile,
    Seconds,
    SecondsOrZero,
    Section,
    Server,
    ServerName,
    Servers,
    Switch,
    Targets,
    Wait,
)
from consul_edge.core.address import parse_listen, parse_server


class ListenTls(Section, frozen=True, kw_only=True):
    """TLS of the edge's own listeners: on once it has a certificate."""

    cert: File = None
    """PEM chain; without it the listeners speak plain HTTP."""

    key: File = None
    """PEM key of the certificate; both or neither."""

    client_ca: File = None
    """PEM authorities; given, only clients with a certificate of theirs are let in."""


class Pool(Section, frozen=True, kw_only=True):
    """Connections for short reads and writes, over all servers."""

    max_connections: Count = 100
    """At once; who comes later waits.  More help only if the servers keep up."""

    keepalive_connections: MaybeNone = 20
    """Kept open while idle, for reads and for polls each; more cost the servers files."""

    keepalive_expiry: SecondsOrZero = 30.0
    """Seconds before an idle one is closed; below the idle limit of whatever stands between."""


class ConsulTls(Section, frozen=True, kw_only=True):
    """TLS towards Consul."""

    enabled: Switch = False
    """Whether addresses mean https; ``https://`` means it always."""

    ca_file: File = None
    """PEM authorities trusted instead of the system's."""

    ca_path: Folder = None
    """Folder of PEM authorities trusted instead of the system's."""

    cert: File = None
    """PEM certificate shown to the servers."""

    key: File = None
    """PEM key of the certificate; both or neither."""

    server_name: ServerName = None
    """Name to ask for (SNI) and to find in certificates; None: the host of each address."""

    verify: Switch = True
    """Whether certificates are checked; False trusts whoever answers."""


class Consul(Section, frozen=True, kw_only=True):
    """The servers, and how long and how often they are asked."""

    servers: Servers = (parse_server("127.0.0.1:8500"),)
    """In the order of preference."""

    main_server: Server = None
    """The last resort, asked when every other failed."""

    local_agent: Server = None
    """Where node-local calls and session/create go; None: the first server."""

    agent_reads: AgentReads = "members"
    """Which reads of /v1/agent/ may go to any server: those that mean the cluster, or all; deny
    answers every one of them 403."""

    timeout: Seconds = 2.0
    """Seconds to the response head of one attempt of a short read; then the next server is asked
    too.  Shorter finds a hung server sooner, longer spares a slow one."""

    deadline: Seconds = 20.0
    """Seconds for all attempts of a read together while some server accepts connections: long
    enough to wait an election out."""

    write_timeout: Seconds = 30.0
    """Seconds for a write: it is never repeated, so it may take its time."""

    max_retries: MaybeNone = 1
    """Further rounds over the whole list."""

    retry_delay: SecondsOrZero = 0.5
    """Seconds between two rounds."""

    semaphore_limit: Count = 5
    """Calls of the enriched API that may be under way at once.  More fill it sooner after a start,
    and load the servers then."""

    pool: Pool = Pool()

    connections_per_server: Count = 180
    """Reads, watches, writes and abandoned polls together; Consul refuses at 200 per client."""

    token: MaybeSecret = None
    """ACL token of the edge's own calls.  Beside token_file it is what holds until the file has
    had one, as in Consul's own client."""

    token_file: File = None
    """File with that token, read again when it changes; goes before a token from the same source
    or a lesser one, and is None if the token's source is greater."""

    token_for_clients: Switch = False
    """Whether clients without a token borrow the edge's; then its rights are everybody's."""

    auth: MaybeSecret = None
    """``user:password`` of HTTP Basic towards Consul, split at the first colon."""

    auth_file: File = None
    """File with that; the two are to each other as token_file to token."""

    tls: ConsulTls = ConsulTls()


class Cache(Section, frozen=True, kw_only=True):
    """Which answers are kept, for how long, and how many."""

    mode: CacheMode = "live"
    """Whether default-mode reads may be answered by an entry that is proven fresh; strict: only
    ?stale, ?cached and blocking queries ever are answered from memory."""

    ttl: SecondsOrZero = 1.0
    """Seconds that an entry without a watch answers default-mode reads; 0: never."""

    max_entries: Count = 10_000

    max_bytes: Bytes = 256 * 2**20
    """Of all entries together."""

    max_entry_bytes: Bytes = 32 * 2**20
    """Of one entry; what is larger is passed on and not kept."""

    stale_if_error: SecondsOrZero = 24 * 3600.0
    """Seconds since its last proof that an entry of catalog or health, or below stale_kv, is
    given out while no server can be asked; 0: never."""

    stale_kv: KvPrefixes = ()
    """Decoded KV keys and what they begin: may be given out stale; no locks may live there."""

    endpoints: EndpointRules = ()
    """What is treated otherwise than the table of endpoints says."""

    warm: Targets = ()
    """Request targets fetched and watched from the start."""

    snapshot: NewFile = None
    """File for the entries, so that they outlive a restart while no server can be asked."""


class Watch(Section, frozen=True, kw_only=True):
    """Blocking queries that the edge keeps pending."""

    max_per_server: Count = 110
    """At one server; what is left of connections_per_server remains for reads and writes."""

    wait: Wait = 30.0
    """Seconds that one round asks Consul to wait for a change.  Rights are asked anew with each
    round: shorter shows revoked ones sooner and costs more rounds."""

    idle: Seconds = 600.0
    """Seconds without a reader after which a watch may end."""

    refresh_interval: SecondsOrZero = 1.0
    """Least seconds between two rounds of a watch on a whole table, which wakes all the time."""


class Limits(Section, frozen=True, kw_only=True):
    """What clients may send, and how many may wait."""

    parked_per_client: Count = 2000
    """Blocking queries that wait here for one client address; 503 beyond."""

    requests_per_client: Count = 500
    """Requests under way at once of one client address, without those that wait; 429 beyond."""

    head_bytes: Bytes = 64 * 2**10
    """Of a request's line and headers; 431 beyond."""

    body_bytes: Bytes = 512 * 2**20
    """Of a request's body; 413 beyond.  Snapshots are restored through it."""


class Access(Section, frozen=True, kw_only=True):
    """What of Consul's API is open to clients, whatever their tokens may do."""

    read_only: Switch = False
    """Whether writes are answered 403."""

    allow: AccessList = ()
    """Endpoints and paths that alone are open; none: all."""

    deny: AccessList = ()
    """Endpoints and paths that are closed, also where allow has them."""


class Admin(Section, frozen=True, kw_only=True):
    """Who may flush and inspect the caches."""

    token: MaybeSecret = None
    """Bearer token of the admin calls; None: one is made at the start.  Beside token_file it is
    what holds until the file has had one."""

    token_file: File = None
    """File with that; the two are to each other as those of consul."""

    trust_loopback: Switch = False
    """Whether callers from this machine need none: only where no other proxy stands here."""


class Log(Section, frozen=True, kw_only=True):
    """What is told on stderr."""

    level: Level = "info"

    format: Format = "logfmt"
    """For people, or for machines."""

    access: Switch = False
    """Whether each request gets a line."""


class Settings(Section, frozen=True, kw_only=True):
    """The whole configuration, checked: whoever holds it need not doubt it."""

    listen: Listens = (parse_listen("127.0.0.1:8510"),)
    """Where clients come in."""

    tls: ListenTls = ListenTls()

    allowed_hosts: Hosts = ()
    """Host names accepted beside loopback names, IP literals, the listeners' and the machine's
    own names; any other is answered 421, against DNS rebinding."""

    fastlane: Switch = True
    """Whether requests whose exact bytes were answered before are not parsed again."""

    ui_proxy: Switch = False
    """Whether Consul's own page under /ui/ is passed on, too."""

    consul: Consul = Consul()

    cache: Cache = Cache()

    watch: Watch = Watch()

    limits: Limits = Limits()

    access: Access = Access()

    nodes: Nodes = Nodes()

    sites: Sites = Sites()

    rules: Rules = Rules()

    admin: Admin = Admin()

    log: Log = Log()
