// Puts the client library @stoqey/ib on a pipe: one JSON request a line comes in and is called, every event of the
// library goes out as one JSON line. Knows no request and no event by its meaning.
import { createInterface } from "node:readline";

import ib from "@stoqey/ib";

const { EventName, IBApi } = ib;
const REPEATS = new Set(["all", "received", "sent", "result"]); // of other events, or of bytes
const REQUESTS_PER_SECOND = 1000; // the library holds requests back above that

let api = null;

function tell(name, values) {
  process.stdout.write(`${JSON.stringify([name, values])}\n`);
}

function open(host, port, clientId) {
  api?.removeAllListeners();
  api = new IBApi({ host, port, clientId, maxReqPerSec: REQUESTS_PER_SECOND });
  for (const name of Object.values(EventName)) {
    if (name === EventName.error) {
      api.on(name, (error, code, reqId, reject) => tell(name, [reqId, code, error.message, reject ?? ""]));
    } else if (!REPEATS.has(name)) {
      api.on(name, (...values) => tell(name, values));
    }
  }
  api.connect();
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const [method, ...values] = JSON.parse(line);
  if (method === "open") {
    open(...values);
  } else {
    api[method](...values);
  }
});
lines.on("close", () => process.exit(0));
