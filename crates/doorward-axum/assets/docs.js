// Renders /openapi.json as a reference whose operations can be tried. What comes from outside is only ever
// set as text, never as markup. Tokens live in this page's memory alone: no storage, no cookie, no address.
"use strict";

const DOCUMENT = "/openapi.json";
const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];
const HEADERS_SHOWN = ["content-type", "x-request-id", "cache-control", "www-authenticate", "retry-after", "allow"];
const CHARACTERS_SHOWN = 60_000;
const WIDE = matchMedia("(min-width: 64rem)");

/** The document, once it is here. */
let specification;

/** The newest refresh token, and the editors that want to know of it. */
const session = { refreshToken: "", editors: [] };

const byId = (id) => document.getElementById(id);

/** An element. Attributes that are null or false are left out; a function becomes a listener. */
function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (![null, undefined, false].includes(value)) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** `text` with its `code` between backquotes set as such. */
function inline(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", null, part) : part));
}

/** A paragraph for each block of `text`. */
function prose(text, attributes) {
  return (text ?? "").split("\n\n").filter(Boolean).map((block) => element("p", attributes, inline(block)));
}

/** `node`, or what it refers to in the document. */
function follow(node) {
  while (node?.$ref) {
    const steps = node.$ref.slice(2).split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    node = steps.reduce((found, step) => found[step], specification);
  }
  return node;
}

/** The operations in the order of the document. */
function operations() {
  return Object.entries(specification.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      ...item[method],
      path,
      method: method.toUpperCase(),
      parameters: (item[method].parameters ?? []).map(follow),
      isProtected: (item[method].security ?? []).length > 0,
    })),
  );
}

/** The one media type of a body with its first example, or null. */
function mediaOf(body) {
  const [type, media] = Object.entries(follow(body)?.content ?? {})[0] ?? [];
  if (!type) return null;
  const examples = Object.values(media.examples ?? {}).map(follow);
  return { type, schema: media.schema, examples, example: examples[0]?.value };
}

const pretty = (value) => JSON.stringify(value, null, 2);

// ── Reference ─────────────────────────────────────────────────────────────────────────────────────────

const schemaName = (schema) => schema?.$ref?.split("/").at(-1) ?? null;

function typeName(schema) {
  const known = follow(schema);
  if (known.const !== undefined) return JSON.stringify(known.const);
  if (known.enum && known.enum.length < 5) return known.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (known.type === "array") return `list of ${schemaName(known.items) ?? typeName(known.items)}`;
  return [known.type].flat().join(" | ");
}

function limits(schema) {
  const { minLength, maxLength, minimum, maximum, default: byDefault } = follow(schema);
  const range = (least, most) => {
    if (least === most) return `${least}`;
    if (most === undefined) return `at least ${least}`;
    return least ? `${least} to ${most}` : `at most ${most}`;
  };
  return [
    (minLength ?? maxLength) !== undefined ? `${range(minLength, maxLength)} characters` : null,
    (minimum ?? maximum) !== undefined ? range(minimum, maximum) : null,
    byDefault !== undefined ? `default ${byDefault}` : null,
  ].filter(Boolean).join(", ");
}

/** A list of members or parameters: `entries` are [name, schema, required, description]. */
function fieldList(entries) {
  return element("dl", { class: "fields" }, entries.flatMap(([name, schema, required, description]) => [
    element("dt", null,
      element("code", { class: "field-name" }, name), " ",
      element("span", { class: "note" }, [typeName(schema), limits(schema)].filter(Boolean).join(", ")), " ",
      required ? element("span", { class: "required" }, "required") : null),
    element("dd", null, inline(description ?? follow(schema).description ?? "")),
  ]));
}

/** The members of a schema. What is required is marked only where the reader has to send it. */
function memberList(schema, isSent) {
  const properties = Object.entries(follow(schema).properties ?? {});
  const required = (isSent && follow(schema).required) || [];
  return fieldList(properties.map(([name, member]) => [name, member, required.includes(name)]));
}

function block(title, ...children) {
  return element("section", { class: "block" }, element("h4", null, title), ...children);
}

function codeBox(label, ...children) {
  return element("pre", { class: "code", tabindex: 0, role: "group", "aria-label": label }, ...children);
}

/** The members and an example of a body; not of plain errors, which are all alike. */
function bodyDetails(response) {
  const media = mediaOf(response);
  if (!media?.schema.$ref || schemaName(media.schema) === "Error") return null;
  return element("details", null,
    element("summary", null, schemaName(media.schema)),
    memberList(media.schema, false),
    media.example === undefined ? null : codeBox("Example", coloured(media.example)));
}

function errorCodes(response) {
  const details = new Map(mediaOf(response)?.examples.map(({ value }) => [value.code, value.detail]));
  return element("ul", { class: "codes" }, [...details].map(([code, detail]) => element("li", null,
    element("code", null, code), " ",
    element("span", { class: "note" }, Array.isArray(detail) ? "with an entry for each fault" : detail))));
}

function responseRow([status, response]) {
  return element("li", null,
    element("span", { class: `status status-${status[0]}` }, status),
    element("div", null,
      prose(follow(response).description),
      status >= "4" ? errorCodes(response) : null,
      bodyDetails(response)));
}

/** The responses; those that most operations share are folded away. */
function responseList(operation, shared) {
  const entries = Object.entries(operation.responses);
  const isShared = ([, response]) => shared.has(response.$ref);
  const folded = entries.filter(isShared);
  return block("Answers",
    element("ul", { class: "answers" }, entries.filter((entry) => !isShared(entry)).map(responseRow)),
    folded.length === 0 ? null : element("details", { class: "shared" },
      element("summary", null, `And in general: ${folded.map(([status]) => status).join(", ")}`),
      element("ul", { class: "answers" }, folded.map(responseRow))));
}

function sharedResponses(all) {
  const uses = new Map();
  for (const { $ref } of all.flatMap((operation) => Object.values(operation.responses))) {
    if ($ref) uses.set($ref, (uses.get($ref) ?? 0) + 1);
  }
  return new Set([...uses].filter(([, count]) => count > all.length / 2).map(([reference]) => reference));
}

function operationCard(operation, shared) {
  const { operationId: id, method, path } = operation;
  const media = mediaOf(operation.requestBody);
  return element("article", { class: "operation", id, "aria-labelledby": `${id}-title` },
    element("header", null,
      element("h3", { id: `${id}-title` }, operation.summary),
      element("p", { class: "route" },
        element("span", { class: `method ${method}` }, method), " ",
        element("a", { class: "code", href: `#${id}` }, path),
        operation.isProtected ? element("span", { class: "protected" }, "needs an access token") : null)),
    element("div", { class: "columns" },
      element("div", { class: "reference" },
        prose(operation.description),
        operation.parameters.length === 0 ? null : block("Parameters", fieldList(
          operation.parameters.map((each) => [each.name, each.schema, each.required, each.description]))),
        media ? block("Body", memberList(media.schema, true)) : null,
        responseList(operation, shared)),
      trial(operation, media)));
}

// ── Trying an operation ────────────────────────────────────────────────────────────────────────────────────────

function parameterInput(operation, parameter) {
  const id = `${operation.operationId}-${parameter.name}`;
  const schema = follow(parameter.schema);
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const common = { id, name: parameter.name, required: parameter.required };
  const input = choices
    ? element("select", common, ["", ...choices].map((value) => element("option", { value }, value || "any")))
    : element("input", {
      ...common, type: "text", class: "code", autocomplete: "off",
      inputmode: schema.type === "integer" ? "numeric" : null,
      value: parameter.example, placeholder: schema.default,
    });
  return element("div", { class: "parameter" }, element("label", { for: id }, parameter.name), input);
}

function bodyEditor(operation, media) {
  const id = `${operation.operationId}-body`;
  // Without autocomplete="off" some browsers give a reloaded page what was typed before, passwords included.
  const editor = element("textarea", {
    id, name: "body", class: "code", spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    rows: pretty(media.example).split("\n").length,
    keydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) editor.form.requestSubmit();
    },
  });
  editor.value = pretty(media.example);
  if (follow(media.schema).properties?.refresh_token) session.editors.push(editor);
  return element("div", null, element("label", { for: id }, `Body, ${media.type}`), editor);
}

function trial(operation, media) {
  const status = element("p", { class: "outcome", role: "status" });
  const answer = element("div", { class: "answer" });
  const copied = element("span", { class: "note", role: "status" });
  const form = element("form", { class: "trial", "aria-label": `Try: ${operation.summary}` },
    element("h4", null, "Try it"),
    operation.parameters.map((parameter) => parameterInput(operation, parameter)),
    media ? bodyEditor(operation, media) : null,
    element("div", { class: "actions" },
      element("button", { type: "submit" }, "Send"),
      element("button", {
        type: "button", class: "quiet", click: () => copyCurl(requestOf(operation, form), copied, answer),
      }, "Copy as curl"),
      copied),
    status, answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") !== "true") send(operation, form, status, answer);
  });
  return form;
}

/** What the form says to send. Parameters left empty are left out. */
function requestOf(operation, form) {
  const url = new URL(operation.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(form.elements[name].value)),
    location.origin);
  for (const { name } of operation.parameters.filter((parameter) => parameter.in === "query")) {
    if (form.elements[name].value !== "") url.searchParams.set(name, form.elements[name].value);
  }
  const headers = {};
  const accessToken = byId("access-token").value.trim();
  if (operation.isProtected && accessToken) headers.Authorization = `Bearer ${accessToken}`;
  const body = form.elements.body?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return { url: url.href, method: operation.method, headers, body };
}

async function send(operation, form, status, answer) {
  form.setAttribute("aria-busy", "true");
  status.replaceChildren("Sending …");
  answer.replaceChildren();
  const { url, ...request } = requestOf(operation, form);
  const start = performance.now();
  try {
    const response = await fetch(url, { ...request, cache: "no-store", credentials: "omit", redirect: "error" });
    const body = new Uint8Array(await response.arrayBuffer());
    showAnswer(response, body, performance.now() - start, status, answer);
  } catch (error) {
    status.replaceChildren(element("span", { class: "status status-5" }, "No answer"), ` ${error.message}`);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

function showAnswer(response, bytes, milliseconds, status, answer) {
  const text = new TextDecoder().decode(bytes);
  const value = response.headers.get("content-type")?.includes("json") ? parsed(text) : undefined;
  const family = Math.floor(response.status / 100);
  const size = `${bytes.length.toLocaleString("en")} bytes`;
  status.replaceChildren(
    element("span", { class: `status status-${family}` }, `${response.status} ${response.statusText}`.trim()),
    element("span", { class: "note" }, `${Math.max(1, Math.round(milliseconds))} ms, ${size}`));
  const headers = HEADERS_SHOWN.filter((name) => response.headers.has(name));
  answer.replaceChildren(
    element("dl", { class: "headers code" }, headers.flatMap((name) => [
      element("dt", null, name), element("dd", null, response.headers.get(name))])),
    ...(typeof value?.access_token === "string" ? [useButton(value)] : []),
    ...(text ? [codeBox("Body of the answer", value === undefined ? shortened(text) : coloured(value))] : []));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function shortened(text) {
  const more = text.length - CHARACTERS_SHOWN;
  return more > 0 ? `${text.slice(0, CHARACTERS_SHOWN)}\n… and ${more.toLocaleString("en")} more characters` : text;
}

/** `value` as indented JSON, its tokens in spans. */
function coloured(value) {
  const text = shortened(pretty(value));
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g)) {
    const kind = match[2] ? "json-key" : match[1] ? "json-string" : "json-literal";
    const token = element("span", { class: kind }, match[1] ?? match[0]);
    fragment.append(text.slice(end, match.index), token, match[2] ?? "");
    end = match.index + match[0].length;
  }
  fragment.append(text.slice(end));
  return fragment;
}

async function copyCurl({ url, method, headers, body }, copied, answer) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const command = [
    `curl --request ${method} ${quoted(url)}`,
    ...Object.entries(headers).map(([name, value]) => `--header ${quoted(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`--data-raw ${quoted(body)}`]),
  ].join(" \\\n  ");
  try {
    await navigator.clipboard.writeText(command);
    copied.textContent = "Copied";
    setTimeout(() => copied.replaceChildren(), 3000);
  } catch {
    // Browsers give no clipboard to a page that came over plain HTTP from another machine.
    const box = codeBox("The curl command", command);
    answer.prepend(box);
    getSelection().selectAllChildren(box);
  }
}

// ── Tokens ────────────────────────────────────────────────────────────────────────────────────────────

function useButton(pair) {
  const button = element("button", {
    type: "button", class: "use",
    click: () => {
      useTokens(pair.access_token, pair.refresh_token ?? "");
      button.textContent = "In use";
    },
  }, "Use this token");
  return button;
}

function useTokens(accessToken, refreshToken) {
  byId("access-token").value = accessToken;
  session.refreshToken = refreshToken;
  for (const editor of session.editors) editor.value = pretty({ refresh_token: refreshToken });
  showSession();
}

/** The claims of a JWT, unverified: to tell the reader whose token this is, not to trust it. */
function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return null;
  }
}

function validity(expiry) {
  const time = new Date(expiry * 1000).toLocaleTimeString();
  return expiry * 1000 > Date.now() ? `good until ${time}` : "expired";
}

function showSession() {
  const token = byId("access-token").value.trim();
  const claims = claimsOf(token);
  const said = [];
  if (!token) said.push("None yet. A token stays in this page's memory and goes with it.");
  else if (!claims) said.push("This does not look like an access token.");
  else said.push(`User ${claims.sub}, role ${claims.role}, ${validity(claims.exp)}.`);
  if (session.refreshToken) said.push("The bodies of refresh and logout hold the refresh token.");
  byId("session-state").textContent = said.join(" ");
  byId("forget").hidden = !token && !session.refreshToken;
}

// ── The page ──────────────────────────────────────────────────────────────────────────────────────────

function contents(tag, members) {
  return [
    element("p", { class: "contents-tag" }, tag.name),
    element("ul", null, members.map(({ operationId, method, summary }) => element("li", null,
      element("a", { href: `#${operationId}`, click: () => { byId("contents").open = WIDE.matches; } },
        element("span", { class: `method small ${method}` }, method), " ", element("span", null, summary))))),
  ];
}

/** Marks in the contents what is being read. */
function followReading() {
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const link = byId("contents-list").querySelector(`a[href="#${CSS.escape(entry.target.id)}"]`);
      if (entry.isIntersecting) link?.setAttribute("aria-current", "true");
      else link?.removeAttribute("aria-current");
    }
  }, { rootMargin: "-25% 0px -74% 0px" });
  document.querySelectorAll(".operation").forEach((card) => observer.observe(card));
}

function render() {
  const { info, tags } = specification;
  const all = operations();
  const shared = sharedResponses(all);
  byId("version").textContent = info.version;
  byId("title").textContent = `${info.title} API`;
  byId("content").append(
    element("div", { class: "lead" }, prose(info.summary, { class: "tagline" }), prose(info.description)));
  for (const tag of tags) {
    const members = all.filter((operation) => operation.tags.includes(tag.name));
    byId("contents-list").append(...contents(tag, members));
    byId("content").append(element("section", { class: "tag", "aria-label": tag.name },
      element("h2", null, tag.name), prose(tag.description),
      members.map((operation) => operationCard(operation, shared))));
  }
}

async function start() {
  byId("access-token").addEventListener("input", showSession);
  byId("forget").addEventListener("click", () => {
    useTokens("", "");
    byId("access-token").focus();
  });
  const unfold = () => { byId("contents").open = WIDE.matches; };
  WIDE.addEventListener("change", unfold);
  unfold();
  showSession();
  try {
    const response = await fetch(DOCUMENT, { credentials: "omit" });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    specification = await response.json();
    render();
    followReading();
    byId(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    const said = `${DOCUMENT} cannot be shown: ${error.message}.`;
    byId("content").append(element("p", { class: "failure", role: "alert" }, said));
  }
}

start();
