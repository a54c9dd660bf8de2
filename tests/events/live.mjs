// Follows events of argv[2] with the credential argv[3] by the npm packages graphql-ws and graphql-sse, says "ready",
// and prints what both were told as JSON, once each has had argv[4] messages.
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { createClient: createSocket } = require("graphql-ws");
const { createClient: createStream } = require("graphql-sse");
const WebSocket = require("ws");
const [url, bearer, count] = process.argv.slice(2);
const authorization = `Bearer ${bearer}`;
const query = 'subscription { events(types: ["areas.*"]) { type position cursor facts subject { __typename id } } }';

const socket = createSocket({
  url: url.replace("http", "ws"),
  webSocketImpl: WebSocket,
  connectionParams: { authorization },
  lazy: true,
  retryAttempts: 0,
});
const stream = createStream({ url, headers: { authorization }, retryAttempts: 0 });

async function take(client) {
  const found = [];
  for await (const message of client.iterate({ query })) {
    found.push(message);
    if (found.length === Number(count)) break;
  }
  return found;
}

// Both answer queries, too.
const once = (client) =>
  new Promise((resolve, reject) => {
    let found;
    client.subscribe(
      { query: "{ __typename }" },
      { next: (message) => (found = message), error: reject, complete: () => resolve(found) },
    );
  });
const [bySocket, byStream] = await Promise.all([once(socket), once(stream)]);
const refused = await new Promise((resolve) =>
  socket.subscribe({ query: "subscription { nothing }" }, { next: () => {}, error: resolve, complete: () => {} }),
);
const taking = [take(socket), take(stream)];
setTimeout(() => console.log("ready"), 1000);
const [socketTold, streamTold] = await Promise.all(taking);
console.log(JSON.stringify({ bySocket, byStream, refused, socketTold, streamTold }));
await socket.dispose();
stream.dispose();
process.exit(0);
