"""``serve-catalog``: the HTTP service."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amgan.commandline import HELP, Version, run
from amgan.errors import UserError
from amgan.shipped import ValuesInHelp
from retrieval.options import Catalogue, Collection, EditorName, Store, Weights

if TYPE_CHECKING:  # --help must not wait for torch
    from retrieval.service.keys import Keys

EPILOG = r"""
Examples:

serve-catalog --store out/index --collection shop

serve-catalog --store http://localhost:6333 --collection shop --host 0.0.0.0 --keys keys.txt --origin https://shop.example

curl -F photo=@shirt.jpg -F 'query={"edits": {"sleeve": "long"}}' http://127.0.0.1:8080/v1/search

The keys file has a line 'name key' for each caller, or 'name key items' for a key that a page shows to everybody (the
widget's): it searches with items of the catalogue only. $AMGAN_API_KEYS holds such lines too. Without keys the service
listens on this machine alone, unless --no-keys says that anyone may call. What it answers is at /openapi.json.

Standard error is one JSON object a line. SIGTERM and Ctrl-C end it when running requests are answered. Exit status: 0
stopped; 1 the port cannot be had; 2 a mistake.
"""

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, context_settings=HELP, cls=ValuesInHelp)
def serve(
    store: Store,
    collection: Collection,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.", min=0, max=65535)] = 8080,
    keys: Annotated[Path | None, typer.Option(help="The file of API keys.", show_default=False)] = None,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Let anyone call, from other machines too.")] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A site whose pages may call, https://shop.example; repeat for several.", show_default=False),
    ] = None,
    catalogue: Catalogue = None,
    weights: Weights = None,
    editor: EditorName = None,
    device: Annotated[str, typer.Option(help="Where the networks run: auto, cpu, cuda.")] = "cpu",
    max_megabytes: Annotated[float, typer.Option(help="Size of a request.", min=0.001)] = 16.0,
    max_megapixels: Annotated[float, typer.Option(help="Size of a photo.", min=0.001)] = 25.0,
    timeout: Annotated[float, typer.Option(help="Seconds for a request, waiting included.", min=0.1)] = 20.0,
    rate: Annotated[float, typer.Option(help="Requests a second of one caller (key and address).", min=0.01)] = 20.0,
    burst: Annotated[int, typer.Option(help="Requests of one caller at once.", min=1)] = 40,
    workers: Annotated[
        int | None, typer.Option(help="Threads that work on requests.", min=1, show_default="processors, 2 to 8")
    ] = None,
    queue: Annotated[int, typer.Option(help="Requests that may wait for them.", min=1)] = 64,
    batch: Annotated[int, typer.Option(help="Edits that go through the network together.", min=1)] = 16,
    behind: Annotated[
        str | None,
        typer.Option(
            help="Address of the proxy in front, whose X-Forwarded-For is believed; '*' for any.", show_default=False
        ),
    ] = None,
    version: Version = False,
) -> None:
    """Serve a catalogue over HTTP: search with edited garments, edits, cut-outs, and a widget for product pages."""
    from retrieval.service.keys import Keys

    known = Keys.read(keys) if keys else None
    if known is None and (lines := os.environ.get("AMGAN_API_KEYS", "").strip()):
        known = Keys(lines.splitlines(), "$AMGAN_API_KEYS")
    _check_open(host, known, no_keys)

    from retrieval.service.settings import Limits, Settings, check_origins, default_workers

    limits = Limits(
        body_bytes=int(max_megabytes * 2**20),
        pixels=int(max_megapixels * 1e6),
        seconds=timeout,
        rate=rate,
        burst=burst,
        workers=workers or default_workers(),
        queue=queue,
        batch=batch,
    )
    settings = Settings(
        store, collection, weights, str(catalogue) if catalogue else None, editor, device, known,
        check_origins(origin or ()), limits, measure=True,
    )  # fmt: skip

    # Nobody waits for a store's answer for longer than for that of a request.
    os.environ.setdefault("QDRANT_TIMEOUT", f"{timeout:g}")

    import uvicorn

    from retrieval.service.app import create_app
    from retrieval.service.observing import log_as_json

    log_as_json()
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=65,  # longer than the proxies in front keep theirs
        timeout_graceful_shutdown=int(timeout) + 1,
        proxy_headers=behind is not None,
        forwarded_allow_ips=behind,
    )
    for ending in (signal.SIGINT, signal.SIGTERM):  # uvicorn sends itself the signal again once all is answered
        signal.signal(ending, lambda number, frame: None)
    uvicorn.Server(config).run()


def _check_open(host: str, keys: Keys | None, no_keys: bool) -> None:
    """Refuse to let the whole network in by oversight."""
    from retrieval.service.settings import LOOPBACK

    if keys is None and not no_keys and host not in LOOPBACK:
        raise UserError(
            f"At {host} anyone who reaches this machine could use the service; give --keys FILE, or say --no-keys."
        )
    if keys is not None and no_keys:
        raise UserError("--no-keys lets anyone call, and keys are given too; leave one of them out.")


def main() -> None:
    """The console script."""
    run(app)


if __name__ == "__main__":
    main()
