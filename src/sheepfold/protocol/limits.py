"""Limits that both sides keep, each with its reason. Bytes are plain bytes, times are seconds."""

# --- silence --------------------------------------------------------------------------------------

# Clients since 2019-09 beat every 900 s whatever `max-period` says and look at the clock once a minute, so
# 960 s of silence were seen from a healthy client. A foreign session silent for longer than this may end.
FOREIGN_SILENCE = 18 * 60

# What `max-period` says. Clients before 2019-09 subtract 120 s from it and beat at the rest.
FOREIGN_MAX_PERIOD = 17 * 60

# Clients before 2019-09 subtract this from `max-period`; a value not above it makes them beat every minute.
OLD_CLIENT_MARGIN = 120

# Sheepfold's own client agrees on its heartbeat through `extras`; these bound what it may ask for.
OWN_HEARTBEAT_DEFAULT = 60
OWN_HEARTBEAT_MIN = 10  # below, a large farm would spend more on heartbeats than on claims
OWN_HEARTBEAT_MAX = 900  # above, the machine is no better than a foreign one

# A session of Sheepfold's client ends after this many missed heartbeats: one lost packet costs no frame.
OWN_HEARTBEATS_MISSED = 3

# --- open tiles -----------------------------------------------------------------------------------

# Clients since 2020-04-15 keep up to three uploads under way while they ask for the next job.
FOREIGN_OPEN_TILES = 3
OWN_OPEN_TILES_DEFAULT = 3
OWN_OPEN_TILES_MAX = 64  # one machine with many GPUs

# --- XML ------------------------------------------------------------------------------------------

MAX_XML_BYTES = 256 * 1024  # a list of 2,000 cached archives takes about 120 KiB
MAX_XML_DEPTH = 6  # the deepest message, jobrequest/job/chunks/chunk, has four
MAX_CACHED_MD5S = 2000  # no machine keeps so many: the farm tells it what to delete
MAX_SPEEDTEST_RESULTS = 16  # clients report their best three

# --- numbers --------------------------------------------------------------------------------------

MAX_INT32 = 2**31 - 1  # Java clients parse ids and counters as 32-bit
FIRST_PROJECT_ID = 20  # ids below are test frames: any error makes newer clients stop for ever
MAX_FRAME = 1_048_574  # Blender's own highest frame
MAX_SECONDS = 31 * 24 * 3600  # no frame renders longer; larger numbers come from broken clocks
MAX_CORES = 4096

# Every client sends `ram` in KiB, the specification says bytes. 2**32 KiB would be 4 TiB, 2**32 bytes are
# 4 GiB: from here on bytes are the likelier meaning.
RAM_READ_AS_BYTES_FROM = 2**32

# --- texts ----------------------------------------------------------------------------------------

MAX_LOGIN = 254  # an e-mail address may be a login
MAX_PASSWORD = 1024  # argon2 takes any length; this one keeps a request from costing memory
MAX_TEXT = 255  # host, processor and GPU names, extras of a session request
MAX_TOKEN = 128  # a lease token
MAX_OPEN_TOKENS = OWN_OPEN_TILES_MAX
MAX_JOB_NAME = 80  # clients show 26 characters

# --- uploads --------------------------------------------------------------------------------------

MAX_LOG_BYTES = 8 * 1024 * 1024  # a log holds the renderer's whole output; long animations print megabytes
