// Ask the digit contract about an image, with ethers.
//
//   npm install ethers
//   node examples/digits/client.mjs examples/digits/seven.pgm --contract 0x... [--submit]
//
// Without --contract, the first active model called "digits" is looked up and a contract is
// deployed for it. Reading is an eth_call and free; --submit sends a transaction from the node's
// first account (the devnet's accounts are unlocked). --rpc URL names another node.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Contract, ContractFactory, JsonRpcProvider } from "ethers";

const SIDE = 28;
const ARTIFACT = JSON.parse(
  readFileSync(new URL("../../genesis/contracts/artifacts/Digits.json", import.meta.url), "utf8"),
);

/** Read a binary PGM of 28 x 28 pixels, white ink on black. */
function readPgm(path) {
  const file = readFileSync(path);
  const header = /^P5\s+28\s+28\s+255\s/.exec(file.subarray(0, 32).toString("latin1"));
  if (header === null || file.length < header[0].length + SIDE * SIDE)
    throw new Error(`${path} is not a binary PGM of ${SIDE} x ${SIDE} pixels`);
  return file.subarray(header[0].length, header[0].length + SIDE * SIDE);
}

/** Turn pixels 0..255 into the model's input: one signed byte each, 0..127. */
function encode(pixels) {
  return Uint8Array.from(pixels, (pixel) => Math.round((pixel * 127) / 255));
}

/** Return the address of the first active model called "digits". */
async function findModel(provider) {
  const models = await provider.send("engram_listModels", []);
  const found = models.find((m) => m.name === "digits" && m.status === "active");
  if (found === undefined) {
    throw new Error("the chain has no model called digits: engram model deploy digits.egm");
  }
  return found.address;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rpc: { type: "string", default: "http://127.0.0.1:8545" },
      contract: { type: "string" },
      submit: { type: "boolean", default: false },
    },
  });
  if (positionals.length !== 1) throw new Error("usage: client.mjs IMAGE.pgm [--contract 0x...]");
  const data = encode(readPgm(positionals[0]));
  // Automining nodes answer at once; do not wait between looks, and do not guess the network twice.
  const provider = new JsonRpcProvider(values.rpc, undefined, {
    staticNetwork: true,
    pollingInterval: 100,
  });
  try {
    const signer = await provider.getSigner(0);
    let address = values.contract;
    if (address === undefined) {
      const factory = new ContractFactory(ARTIFACT.abi, ARTIFACT.bytecode, signer);
      const deployed = await factory.deploy(await findModel(provider));
      await deployed.waitForDeployment();
      address = await deployed.getAddress();
    }
    const digits = new Contract(address, ARTIFACT.abi, signer);
    console.log(`contract ${address}, model ${await digits.model()}`);

    const [digit, score] = await digits.classify(data);
    console.log(`${positionals[0].split("/").pop()}: this is a ${digit} (score ${score})`);
    if (values.submit) {
      const receipt = await (await digits.submit(data)).wait();
      const event = receipt.logs.map((log) => digits.interface.parseLog(log))[0];
      console.log(
        `block ${receipt.blockNumber}, ${receipt.gasUsed.toLocaleString("en")} gas:` +
          ` remembered a ${event.args.digit} for ${event.args.sender}`,
      );
      console.log(`read as ${digit} so far: ${await digits.tally(digit)}`);
    }
  } finally {
    provider.destroy();
  }
}

main().catch((error) => {
  console.error(error.shortMessage ?? error.message);
  process.exitCode = 1;
});
