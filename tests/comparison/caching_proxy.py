"""What a user would put before his bots instead: the distribution's nginx, which keeps answers for a while.

Set up as well as nginx allows. Its lock, which lets one of many equal requests through, holds for entries that are not
there yet and not for those that have run out: then all bots would ask at once. So the ten seconds of the clock are part
of an entry's key. Each ten seconds begin with an empty cache, whatever was fetched before a candle's close is never
served after it, and the lock holds.
"""

from __future__ import annotations

import getpass
import grp
import os
import shutil
from typing import Any

from runbook_lib.fleet import Files, Session, Units

HOST = "proxy"
PORT = 8080
UNIT = "nginx.service"
KEPT_SECONDS = 10

CONFIG = """\
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes auto;
{user}
events {{ worker_connections 4096; }}

http {{
    access_log off;
    client_body_temp_path temp_body;
    proxy_temp_path temp_proxy;
    fastcgi_temp_path temp_fastcgi;
    uwsgi_temp_path temp_uwsgi;
    scgi_temp_path temp_scgi;

    proxy_cache_path cache keys_zone=klines:10m inactive=1m max_size=200m use_temp_path=off;
    map $msec $ten_seconds {{ "~^(?<tens>\\d+)\\d\\." $tens; }}

    upstream exchange {{
        server {exchange};
        keepalive 64;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffers 16 16k;
    keepalive_requests 100000;

    server {{
        listen {listen} backlog=1024;
        location = /api/v3/klines {{
            proxy_pass http://exchange;
            proxy_cache klines;
            proxy_cache_key "$request_uri $ten_seconds";
            proxy_cache_valid 200 {seconds}s;
            proxy_cache_lock on;
            proxy_cache_lock_age {seconds}s;
            proxy_cache_lock_timeout {seconds}s;
        }}
        location / {{ proxy_pass http://exchange; }}
    }}
}}
"""

SERVICE = """\
[Unit]
Description=nginx, before the exchange

[Service]
ExecStart={program} -p %h/nginx -c nginx.conf -e stderr
KillSignal=SIGQUIT
TimeoutStopSec=5
"""


def program() -> str | None:
    """Return where nginx lies on this machine; None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def config(*, listen: str, exchange: str, as_user: str = "") -> str:
    """Write nginx.conf. ``listen``, ``exchange``: address:port; ``as_user``: the workers' login if root starts it."""
    user = f"user {as_user};" if as_user else ""
    return CONFIG.format(listen=listen, exchange=exchange, user=user, seconds=KEPT_SECONDS)


def in_front(ccxt_config: Any, *, exchange: str, proxy: str) -> Any:
    """Return a bot's ccxt_config with each REST address turned from the exchange to the proxy (scheme://address:port)."""
    if isinstance(ccxt_config, dict):
        return {key: in_front(value, exchange=exchange, proxy=proxy) for key, value in ccxt_config.items()}
    return ccxt_config.replace(exchange, proxy) if isinstance(ccxt_config, str) else ccxt_config


def ourselves() -> str:
    """Return this login and its group as nginx wants them; empty if it is not root: nginx could not change then."""
    return f"{getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}" if os.geteuid() == 0 else ""


def start(session: Session, *, program: str, exchange_port: int) -> None:
    """Set nginx up on its host and start it."""
    at = session.address
    files, units = Files(session), Units(session, "user")
    files.write(
        "nginx/nginx.conf",
        config(listen=f"{at}:{PORT}", exchange=f"{at}:{exchange_port}", as_user=ourselves()).encode(),
        0o644,
    )
    files.write(f".config/systemd/user/{UNIT}", SERVICE.format(program=program).encode(), 0o644)
    units.daemon_reload()
    units.start(UNIT)
