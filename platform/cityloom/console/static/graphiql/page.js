// The credential lives in this page's memory only: a reload forgets it.
const form = document.getElementById("credential");
const root = ReactDOM.createRoot(document.getElementById("graphiql"));
const storage = { getItem: () => null, setItem: () => {}, removeItem: () => {}, clear: () => {}, length: 0 };

function connect(event) {
  event?.preventDefault();
  const endpoint = form.endpoint.value;
  const bearer = form.bearer.value.trim();
  const fetcher = async (parameters, options = {}) => {
    const response = await fetch(endpoint, {
      method: "POST",
      credentials: "omit",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json",
        "accept-language": navigator.language,
        ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
        ...options.headers,
      },
      body: JSON.stringify(parameters),
    });
    return response.json();
  };
  root.render(React.createElement(GraphiQL, { key: endpoint + bearer, fetcher, storage, defaultEditorToolsVisibility: true }));
}

form.addEventListener("submit", connect);
connect();
