// Runs the server audits of the npm package graphql-http against argv[2] with the credential argv[3]; prints JSON.
import { createRequire } from "node:module";

const { auditServer } = createRequire(`${process.cwd()}/`)("graphql-http");
const [url, bearer] = process.argv.slice(2);
const fetchFn = (address, options = {}) =>
  fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${bearer}` } });
const results = await auditServer({ url, fetchFn });
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
