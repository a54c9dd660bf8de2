// PostGraphile 5 over the same tables, as the same database role behind the same policies, with its production settings.
//
// The bench copies this file beside its node_modules and runs it there. Of authentication it has the least that is
// possible: a look-up of the bearer in a table in memory.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";

const { port, database, bearers, asText } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const settings = new Map(Object.entries(bearers));

const preset = {
  extends: [PostGraphileAmberPreset],
  // Otherwise there are conditions only on columns that an index begins with.
  disablePlugins: ["PgIndexBehaviorsPlugin"],
  pgServices: [
    makePgService({
      poolConfig: {
        ...database,
        max: 8,
        // The policies read these; each request sets its own.
        options: "-c app.area_lo= -c app.area_hi=\u{10ffff} -c app.tenant_id=00000000-0000-0000-0000-000000000000",
      },
      schemas: ["public"],
    }),
  ],
  schema: { defaultBehavior: "-insert -update -delete", dontSwallowErrors: true },
  gather: { installWatchFixtures: false },
  grafserv: {
    watch: false,
    graphiql: false,
    graphiqlOnGraphQLGET: false,
    websockets: false,
    outputDataAsString: asText,
  },
  grafast: {
    explain: false,
    context(requestContext) {
      const bearer = requestContext.node?.req.headers.authorization?.slice(7);
      const pgSettings = bearer && settings.get(bearer);
      if (!pgSettings) throw new Error("not signed in");
      return { pgSettings };
    },
  },
};

const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(port, "127.0.0.1", () => console.log("ready"));
