"""The development node: builds it, serves it, seals its blocks, stops it."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import trio

from ai_ops.errors import Cancelled
from genesis.alloc import GenesisAccount
from genesis.dev_key import DEV_VALIDATOR_ADDRESS, DEV_VALIDATOR_KEY
from genesis.spec import ChainSpec, template
from node import banner
from node.accounts import KeyedAccount, Keyring, checksum, derive_accounts
from node.app import Node
from node.backend import use_backend
from node.chain import Chain, write_genesis
from node.chain_errors import ChainMismatch
from node.console import Console
from node.demo import Demo, documents, notes, prepare
from node.devnet_log import BlockTrace, CallTrace
from node.errors import DONE, INTERRUPTED, CliError
from node.mempool import Mempool
from node.producer import Producer
from node.rpc.dispatch import Dispatcher
from node.rpc.http import Access
from node.rpc.methods.engram import registry_at
from node.rpc.namespaces import DEVNET, methods_of
from node.rpc.server import Server, describe
from node.rpc.translate import translate
from node.storage.directory import (
    DataDirectory,
    create_directory,
    is_data_directory,
    open_directory,
)
from node.storage.errors import StoreError
from node.storage.memory import MemoryStore
from node.version import VERSION
from node.warmup import Warmup, running_backend
from vm.registry import reads

LOGGER: Final = logging.getLogger("engram.devnet")
STOP_SECONDS: Final = 3.0
MODELS_SHOWN: Final = 8
CALL_GAS_CAP: Final = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DevnetOptions:
    """The command line, parsed; amounts in wei."""

    host: str
    port: int
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    chain_id: int
    block_seconds: float | None
    gas_limit: int | None
    datadir: Path | None
    accounts: int
    balance_wei: int
    mnemonic: str
    demo: bool
    backend: str
    quiet: bool
    json_lines: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A node that is ready to be served."""

    node: Node
    accounts: tuple[KeyedAccount, ...]
    directory: DataDirectory | None
    demo: Demo | None


def run_devnet(options: DevnetOptions) -> int:
    """Run a development chain until SIGINT or SIGTERM; return the exit code."""
    console = Console(sys.stdout, json_lines=options.json_lines, quiet=options.quiet)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        halted, fault = trio.run(_main, options, console)
    finally:
        console.close()
    if fault is not None:
        raise CliError("E-STORE-004", f"The chain stopped growing: {fault}.")
    if not halted:
        # A block is still being executed in a thread. Nothing of it is stored, and blocks that
        # are stored were synced, so leaving without waiting loses nothing.
        sys.stdout.flush()
        os._exit(DONE)
    return DONE


async def _main(options: DevnetOptions, console: Console) -> tuple[bool, str | None]:
    """Return whether no block was under way at the end, and why the chain stopped, if it did."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        # The port first: when it is taken, nothing else must have happened.
        listeners = await listen(options.host, options.port)
        async with AsyncExitStack() as stack:
            for listener in listeners:
                stack.push_async_callback(listener.aclose)
            built = await trio.to_thread.run_sync(build, options)
            async with trio.open_nursery() as nursery:
                await _start(nursery, options, console, built, listeners)
                await anext(aiter(signals))
                console.event("stopping", "Stopping.")
                nursery.start_soon(_force_on_second_signal, signals)
                built.node.chain.stopping.cancel()
                halted = await trio.to_thread.run_sync(built.node.halt, STOP_SECONDS)
                nursery.cancel_scope.cancel()
        if halted and built.directory is not None:
            built.directory.close()
        return halted, built.node.fault


async def _force_on_second_signal(signals: AsyncIterator[int]) -> None:
    async for _signal in signals:
        os._exit(INTERRUPTED)


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """Bind the port.

    Raises
    ------
    CliError
        When it is taken or cannot be bound.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CliError(
                "E-NET-001",
                f"Port {port} on {host} is in use; stop what uses it or choose another with --port.",
            ) from error
        why = error.strerror or str(error)
        raise CliError(
            "E-NET-005", f"Port {port} on {host} cannot be bound ({why}); choose others."
        ) from error


def devnet_spec(options: DevnetOptions, accounts: Sequence[KeyedAccount]) -> ChainSpec:
    """Return the shipped development chain with this command line's changes."""
    spec = template("devnet")
    header = spec.header
    if options.gas_limit is not None:
        header = replace(header, gas_limit=options.gas_limit)
    funded = {account.address: GenesisAccount(balance=options.balance_wei) for account in accounts}
    return replace(
        spec,
        vm_config=replace(spec.vm_config, chain_id=options.chain_id),
        header=header,
        alloc={**spec.alloc, **funded},
    )


def build(options: DevnetOptions) -> Built:
    """Build the chain, in memory or in the data directory, and the node around it.

    Raises
    ------
    CliError, StoreError, ChainMismatch
        When the mnemonic is none, or the data directory cannot be used; it is unchanged then.
    """
    try:
        accounts = derive_accounts(options.mnemonic, options.accounts)
    except ValueError as error:
        raise CliError(
            "E-KEY-001", f"The mnemonic is not valid ({error}); check its words and their order."
        ) from error
    spec = devnet_spec(options, accounts)
    use_backend(options.backend, spec.vm_config.limits)
    directory = None
    if options.datadir is None:
        chain = Chain.create(spec, MemoryStore())
    else:
        path = options.datadir
        directory = (
            open_directory(path)
            if is_data_directory(path)
            else create_directory(path, partial(write_genesis, spec))
        )
        try:
            chain = Chain.open(directory.store, spec, mark=directory.mark_head)
        except ChainMismatch as error:
            directory.close()
            raise CliError(
                "E-CHAIN-001",
                f"The folder {path} holds a chain that was made with other options; give the same "
                "--chain-id, --mnemonic, --accounts, --balance and --gas-limit as then, or name "
                "another folder.",
            ) from error
        except BaseException:
            directory.close()
            raise
    # None of the funded accounts: what they pay must not come back to one of them as tips.
    coinbase = DEV_VALIDATOR_ADDRESS
    mempool = Mempool(chain)
    node = Node(
        chain=chain,
        mempool=mempool,
        producer=Producer(chain, mempool, DEV_VALIDATOR_KEY, coinbase, unix_time),
        keyring=Keyring(accounts),
        coinbase=coinbase,
        mine_on_demand=options.block_seconds is None,
        call_gas_cap=CALL_GAS_CAP,
    )
    mempool.subscribe_pending(lambda pending: node.filters.on_pending(pending.hash))
    # Looked up when there is something to say: the console takes the place of `report` later.
    chain.subscribe(Warmup(chain, lambda sentence: node.report(sentence)))  # noqa: PLW0108
    demo = prepare(node) if options.demo else None
    return Built(node=node, accounts=accounts, directory=directory, demo=demo)


async def _start(
    nursery: trio.Nursery,
    options: DevnetOptions,
    console: Console,
    built: Built,
    listeners: list[trio.SocketListener],
) -> None:
    """Serve the node, and print the banner once it answers."""
    node = built.node
    trace = CallTrace(console)
    dispatcher = Dispatcher(
        node=node,
        methods=methods_of(DEVNET),
        translate=translate,
        begin=trace.begin,
        observe=trace.end,
    )
    address = [format_address(listener) for listener in listeners]
    server = Server(
        answer=dispatcher.answer,
        page=lambda: page(node, address[0]),
        not_ready=lambda: [] if node.fault is None else [node.fault],
        documents={} if built.demo is None else documents(built.demo),
        access=Access(hosts=options.hosts, origins=options.origins),
    )
    node.report = lambda sentence: console.event("note", f"    {sentence}", sentence=sentence)
    node.chain.subscribe(BlockTrace(console, node.chain))
    nursery.start_soon(server.serve, listeners)
    shown = (
        model_lines(node)
        if built.demo is None
        else notes(built.demo, f"http://{_local(address[0])}")
    )
    facts = banner_facts(options, built, address, shown)
    console.event("ready", banner.text(facts), **banner.as_json(facts))
    if options.block_seconds is not None:
        nursery.start_soon(_seal_regularly, node, options.block_seconds, console)


async def _seal_regularly(node: Node, period: float, console: Console) -> None:
    next_seal = trio.current_time() + period
    while True:
        await trio.sleep_until(next_seal)
        # A block that took longer than its period moves the grid: blocks never pile up.
        next_seal = max(next_seal, trio.current_time() - period) + period
        try:
            await trio.to_thread.run_sync(node.seal, abandon_on_cancel=True)
        except StoreError as error:
            console.event("error", f"No more blocks: {error}", sentence=str(error))
            LOGGER.error("%s", error)  # noqa: TRY400 (one sentence, no traceback)
            return
        except Cancelled:
            return


def unix_time() -> int:
    """Return the time in whole seconds."""
    return int(time.time())


def format_address(listener: trio.SocketListener) -> str:
    """Return `HOST:PORT` as a user would write it."""
    host, port = listener.socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def model_lines(node: Node) -> list[str]:
    """Return the lines that name the first models of the chain, if it has any."""
    registry = registry_at(node, None)
    count = reads.model_count(registry)
    if not count:
        return []
    lines = ["Models", "======"]
    for address in islice(reads.model_addresses(registry), MODELS_SHOWN):
        info = reads.model_info(registry, address)
        assert info is not None
        name = "" if info.manifest is None else info.manifest.name
        lines.append(f"{checksum(address)} {info.status.name.lower()} {name}".rstrip())
    if count > MODELS_SHOWN:
        lines.append(f"and {count - MODELS_SHOWN} more: engram model list")
    return [*lines, ""]


def _local(address: str) -> str:
    """Return how a program on this machine reaches what is bound to every address."""
    return address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


def page(node: Node, address: str) -> str:
    """Return the text at `/`."""
    facts = {
        "version": VERSION,
        "chain id": str(node.chain.spec.vm_config.chain_id),
        "block": str(node.chain.head.number),
        "models on": running_backend(node.chain),
        "health": "/livez and /readyz",
    }
    return describe(facts, address)


def banner_facts(
    options: DevnetOptions, built: Built, listening: Sequence[str], notes: Sequence[str] = ()
) -> banner.BannerFacts:
    """Collect what the banner tells."""
    chain = built.node.chain
    genesis = chain.header_by_number(0)
    assert genesis is not None
    recovered = None if built.directory is None else built.directory.recovery
    return banner.BannerFacts(
        accounts=built.accounts,
        balance_wei=options.balance_wei,
        mnemonic=options.mnemonic,
        chain_id=chain.spec.vm_config.chain_id,
        base_fee_wei=chain.head.base_fee,
        gas_limit=chain.head.gas_limit,
        timestamp=genesis.timestamp,
        block_number=chain.head.number,
        mining=(
            "a block for each transaction"
            if options.block_seconds is None
            else f"a block every {options.block_seconds:g} s"
        ),
        backend=running_backend(chain),
        storage="in memory" if options.datadir is None else str(options.datadir),
        listening=listening,
        extra={} if built.demo is None else built.demo.as_json(),
        notes=(*notes, *(() if recovered is None else (f"Recovered: {recovered}", ""))),
    )
