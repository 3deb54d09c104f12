"""What Binance allows and promises for spot market data, as constants: each with its source, as documented in mid 2026.

Sources: WS = github.com/binance/binance-spot-api-docs `web-socket-streams.md`; REST = `rest-api.md` there;
ENUMS = `enums.md` there; CHANGELOG = `CHANGELOG.md` there.
"""

MAX_STREAMS_PER_CONNECTION = 1_024
"""WS. One connection more is opened for each 1,024 symbols."""

MAX_CLIENT_MESSAGES_PER_SECOND = 5
"""WS. PING, PONG and JSON control messages all count; more is a disconnect, and repeating it may be an IP ban."""

CLIENT_MESSAGE_INTERVAL_SECONDS = 0.5
"""Our pace of SUBSCRIBE messages. One per 0.25 s was seen closed with 1008, one per 0.5 s held (third party)."""

STREAMS_PER_SUBSCRIBE = 200
"""Our choice: a full connection is subscribed with 6 messages, in 3 s."""

STREAMS_IN_URL = 50
"""Our choice: up to so many streams go into the URL (about 1 kB), more are subscribed by message."""

MAX_CONNECTION_ATTEMPTS = 300
"""WS. Per IP and CONNECTION_ATTEMPTS_WINDOW_SECONDS."""

CONNECTION_ATTEMPTS_WINDOW_SECONDS = 300

CONNECTION_LIFE_SECONDS = 24 * 3_600
"""WS. The exchange cuts a connection at this age; it may do so earlier."""

PING_INTERVAL_SECONDS = 20
"""WS, CHANGELOG 2025-01-28: the server pings this often."""

SILENT_CONNECTION_SECONDS = 3 * PING_INTERVAL_SECONDS
"""Our choice: three pings missed. A connection that brought neither frame nor ping for so long is dead."""

AGG_TRADES_WEIGHT = 4
"""REST, CHANGELOG 2025-03-10: weight of one `GET /api/v3/aggTrades` call, whatever its limit."""

EXCHANGE_INFO_WEIGHT = 20
"""REST. Weight of one `GET /api/v3/exchangeInfo` call."""

REQUEST_WEIGHT_PER_MINUTE = 6_000
"""ENUMS, CHANGELOG 2023-08-25. Per IP; more is answered 429, and going on 418 (a ban of 2 minutes to 3 days)."""

AGG_TRADES_PAGE_LIMIT = 1_000
"""REST. Most trades a page of aggTrades holds (500 if no limit is given)."""

SERVER_TIME_WEIGHT = 1
"""REST. Weight of one `GET /api/v3/time` call."""

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Our choice: a frame of market data has some hundred bytes; a connection that announces more than this is broken."""

USED_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
"""REST. Weight this IP used in the current minute, in every answer."""

TIME_UNIT_HEADER = "X-MBX-TIME-UNIT"
TIME_UNIT = "MICROSECOND"
"""REST and WS (`timeUnit=`), CHANGELOG 2024-12-17. Milliseconds unless asked for."""

RATE_LIMITED_STATUS = 429
BANNED_STATUS = 418
FORBIDDEN_STATUS = 403
"""REST. The web application firewall refused the request."""
