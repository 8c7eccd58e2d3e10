"""Uploads a model through a node's JSON-RPC: creates, sends what is missing, activates, verifies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from node import model_upload
from node.accounts import KeyedAccount, Keyring
from node.errors import CliError
from node.model_upload import OnChain, Upload
from node.rpc_client import RpcClient, RpcRefusedError
from vm.registry.facts import Status
from vm.registry.layout import REGISTRY_ADDRESS, STUB_CODE

IN_FLIGHT: Final = 4
RECEIPT_SECONDS: Final = 180.0
FIRST_POLL_SECONDS: Final = 0.02
LAST_POLL_SECONDS: Final = 1.0
REGISTRY: Final = "0x" + REGISTRY_ADDRESS.hex()


@dataclass(slots=True, kw_only=True)
class Deployer:
    """Sends one author's transactions to the registry of one chain.

    Attributes
    ----------
    author : bytes
        Who sends and owns, 20 bytes.
    key : KeyedAccount or None
        Signs here; None when the node holds the key of `author`.
    gas_used : int
        Of every mined transaction so far.
    """

    client: RpcClient
    chain_id: int
    author: bytes
    key: KeyedAccount | None
    gas_used: int = 0
    _nonce: int = field(init=False)

    def __post_init__(self) -> None:
        pending = self.client.call("eth_getTransactionCount", self._sender, "pending")
        self._nonce = quantity(pending, "eth_getTransactionCount")

    @property
    def _sender(self) -> str:
        return "0x" + self.author.hex()

    def info(self, model: bytes) -> OnChain:
        """Return what the registry says about a model."""
        try:
            return model_upload.decode_info(self._read(model_upload.info_call(model)))
        except ValueError as error:
            raise _foreign(self.client.url) from error

    def missing(self, upload: Upload) -> tuple[int, ...]:
        """Return the chunks that are not on chain yet."""
        indexes: list[int] = []
        for start in range(0, len(upload.chunks), model_upload.SCAN):
            try:
                output = self._read(model_upload.missing_call(upload.address, start))
                indexes += model_upload.decode_indexes(output)
            except ValueError as error:
                raise _foreign(self.client.url) from error
        return tuple(index for index in indexes if index < len(upload.chunks))

    def gas_price(self) -> int:
        """Return the node's suggestion in wei per gas."""
        return quantity(self.client.call("eth_gasPrice"), "eth_gasPrice")

    def balance(self) -> int:
        """Return the author's balance in wei."""
        return quantity(
            self.client.call("eth_getBalance", self._sender, "latest"), "eth_getBalance"
        )

    def send_one(self, data: bytes, what: str) -> None:
        """Send one transaction and wait until it is mined and succeeded."""
        self._settle(self._send(data, what), what)

    def send_chunks(
        self, upload: Upload, missing: tuple[int, ...], progress: Callable[[int], None]
    ) -> None:
        """Send chunks, a few in flight at a time; tell `progress` how many are mined."""
        waiting: deque[tuple[str, str]] = deque()
        done = 0
        for index in missing:
            what = f"chunk {index}"
            waiting.append((self._send(model_upload.chunk_call(upload, index), what), what))
            if len(waiting) == IN_FLIGHT:
                self._settle(*waiting.popleft())
                done += 1
                progress(done)
        while waiting:
            self._settle(*waiting.popleft())
            done += 1
            progress(done)

    def _read(self, data: bytes) -> bytes:
        request = {"to": REGISTRY, "data": "0x" + data.hex()}
        answer = self.client.call("eth_call", request, "latest")
        try:
            return bytes.fromhex(answer[2:])
        except (TypeError, ValueError) as error:
            raise _foreign(self.client.url) from error

    def _send(self, data: bytes, what: str) -> str:
        request: dict[str, Any] = {
            "from": self._sender,
            "to": REGISTRY,
            "data": "0x" + data.hex(),
            "nonce": hex(self._nonce),
        }
        try:
            request["gas"] = self.client.call("eth_estimateGas", request)
            if self.key is None:
                sent = self.client.call("eth_sendTransaction", request)
            else:
                sent = self.client.call("eth_sendRawTransaction", self._sign(request, data))
        except RpcRefusedError as error:
            raise CliError(
                "E-DEPLOY-004",
                f"The node refused the transaction for {what} ({error.message}); mend that and run "
                "the same command again: it goes on where it stopped.",
            ) from error
        self._nonce += 1
        return str(sent)

    def _sign(self, request: dict[str, Any], data: bytes) -> str:
        assert self.key is not None
        price = self.gas_price()
        fields = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self._nonce,
            "gas": quantity(request["gas"], "eth_estimateGas"),
            "to": REGISTRY_ADDRESS,
            "value": 0,
            "data": data,
            "maxFeePerGas": 2 * price,
            "maxPriorityFeePerGas": min(price, 10**9),
        }
        return "0x" + Keyring((self.key,)).sign_transaction(self.author, fields).hex()

    def _settle(self, transaction_hash: str, what: str) -> None:
        deadline = time.monotonic() + RECEIPT_SECONDS
        pause = FIRST_POLL_SECONDS
        while (receipt := self.client.call("eth_getTransactionReceipt", transaction_hash)) is None:
            if time.monotonic() > deadline:
                raise CliError(
                    "E-DEPLOY-005",
                    f"The transaction for {what} ({transaction_hash}) was not mined in "
                    f"{RECEIPT_SECONDS:.0f} s; run the same command again later.",
                )
            time.sleep(pause)
            pause = min(2 * pause, LAST_POLL_SECONDS)
        self.gas_used += quantity(receipt.get("gasUsed"), "eth_getTransactionReceipt")
        if receipt.get("status") != "0x1":
            raise CliError(
                "E-DEPLOY-005",
                f"The transaction for {what} ({transaction_hash}) failed on chain; run the same "
                "command again.",
            )


def check_chain(client: RpcClient, expected_chain_id: int | None) -> int:
    """Return the chain id of the node.

    Raises
    ------
    CliError
        When it is not the one expected, or when the chain has no model registry.
    """
    chain_id = quantity(client.call("eth_chainId"), "eth_chainId")
    if expected_chain_id is not None and chain_id != expected_chain_id:
        raise CliError(
            "E-NET-006",
            f"{client.url} has chain id {chain_id}, not {expected_chain_id}; name the node of the "
            "chain you mean with --rpc.",
        )
    if client.call("eth_getCode", REGISTRY, "latest") != "0x" + STUB_CODE.hex():
        raise _foreign(client.url)
    return chain_id


def choose_author(client: RpcClient, wanted: bytes | None) -> bytes:
    """Return the account of the node that will send: the one wanted, or its first.

    Raises
    ------
    CliError
        When the node does not hold its key.
    """
    answer = client.call("eth_accounts")
    unlocked = [address.lower() for address in answer if isinstance(address, str)]
    if wanted is not None and "0x" + wanted.hex() not in unlocked:
        raise CliError(
            "E-KEY-003",
            f"The node does not hold the key of 0x{wanted.hex()}; give it with --private-key-file "
            "or name an account that `eth_accounts` lists.",
        )
    if wanted is not None:
        return wanted
    if not unlocked:
        raise CliError(
            "E-KEY-003", "The node holds no keys; sign here with --private-key-file FILE."
        )
    return bytes.fromhex(unlocked[0][2:])


def deploy(
    deployer: Deployer, upload: Upload, fee_gas: int | None, progress: Callable[[int, int], None]
) -> OnChain:
    """Bring a model to ACTIVE from whatever state an earlier run left it in.

    Parameters
    ----------
    fee_gas : int or None
        Author fee to set.
    progress : callable
        Told how many chunks are mined, of how many in all.

    Raises
    ------
    CliError
        When the node refuses, or the registry rejects the model.
    """
    if deployer.info(upload.address).status is Status.UNKNOWN:
        deployer.send_one(model_upload.create_call(upload), "creating the model")
    before = deployer.info(upload.address)
    if before.status is Status.CREATED:
        missing = deployer.missing(upload)
        present = len(upload.chunks) - len(missing)
        progress(present, len(upload.chunks))
        deployer.send_chunks(
            upload, missing, lambda done: progress(present + done, len(upload.chunks))
        )
        deployer.send_one(model_upload.activate_call(upload), "activating the model")
    after = deployer.info(upload.address)
    if not after.status.callable:
        raise CliError(
            "E-DEPLOY-006",
            f"The registry rejected the model 0x{upload.address.hex()} for good; check the file "
            "with `engram model inspect` against the chain's limits.",
        )
    if fee_gas is not None and after.fee_gas != fee_gas:
        deployer.send_one(model_upload.fee_call(upload, fee_gas), "setting the fee")
    return after


def quantity(value: Any, method: str) -> int:
    """Read a quantity that a node answered."""
    try:
        return int(value, 16)
    except (TypeError, ValueError) as error:
        raise CliError(
            "E-NET-003", f"The node answered {method} with something else than a number."
        ) from error


def _foreign(url: str) -> CliError:
    return CliError(
        "E-DEPLOY-003",
        f"The chain at {url} has no model registry; name the node of an Engram chain with --rpc.",
    )
