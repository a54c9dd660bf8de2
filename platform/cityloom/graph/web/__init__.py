"""GraphQL over HTTP (the specification's draft): one endpoint, and GraphiQL from files of our own."""
