// Requests to the server, each with the token that the address brought.
const asked = new URLSearchParams(location.search).get("token");
if (asked) {
  sessionStorage.setItem("token", asked);
  history.replaceState(null, "", location.pathname + location.hash);
}
export const token = asked || sessionStorage.getItem("token") || "";

export class Problem extends Error {
  constructor(status, words, body = {}) {
    super(words);
    this.status = status;
    this.body = body;
  }
}

export async function request(method, path, body, extra = {}) {
  const raw = body instanceof Blob;
  let answer;
  try {
    answer = await fetch(path, {method, headers: {Authorization: "Bearer " + token, ...(body && !raw ? {"Content-Type": "application/json"} : {})},
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body), ...extra});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "");
  }
  if (answer.ok) return answer;
  let told = {};
  try { told = await answer.json(); } catch { /* no JSON */ }
  throw new Problem(answer.status, told.problem || "HTTP " + answer.status, told);
}

export const get = async (path) => (await request("GET", path)).json();
export const post = async (path, body = {}, extra = {}) => (await request("POST", path, body, extra)).json();
export const remove = async (path) => (await request("DELETE", path)).json();
export const link = (path) => path + (path.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
