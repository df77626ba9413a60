//! The snippet of the guide for browsers, run by Node as two tabs that share what tabs share.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::application::Home;
use crate::client::PASSWORD;

/// What tabs of one origin share, and a lock as `navigator.locks` is one.
const TABS: &str = r#"
const stored = new Map();
const localStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => void stored.set(key, value),
  removeItem: (key) => void stored.delete(key),
};
let last = Promise.resolve();
const navigator = { locks: { request: (_, work) => (last = last.then(work, work)) } };
let refreshes = 0;
const counted = (url, options) => {
  if (url.endsWith("/auth/refresh")) refreshes += 1;
  return fetch(url, options);
};
const tab = () =>
  new Function("localStorage", "navigator", "fetch", CODE + "; return { logIn, ask };")(localStorage, navigator, counted);
const [one, other] = [tab(), tab()];
const statuses = [(await one.logIn("ada@example.com", PASSWORD)).status, (await other.ask("/auth/me")).status];
for (let turn = 0; turn < 3; turn += 1) {
  // Its time is over.
  const tokens = JSON.parse(stored.get("tokens"));
  stored.set("tokens", JSON.stringify({ ...tokens, access_token: "x.y.z" }));
  const answers = await Promise.all([one.ask("/auth/me"), other.ask("/auth/me"), one.ask("/auth/me")]);
  statuses.push(...answers.map((answer) => answer.status));
}
console.log(JSON.stringify({ statuses, refreshes }));
"#;

#[test]
fn two_tabs_of_the_guide_refresh_one_at_a_time() {
    let guide = include_str!("../../../../docs/guide/browser.md");
    let (_, rest) = guide.split_once("```js\n").unwrap();
    let (code, _) = rest.split_once("```").unwrap();
    let home = Home::new();
    let server = home.serve(&[]);
    assert_eq!(server.client().register("ada@example.com", PASSWORD).status, 201);
    let code = code.replace("http://127.0.0.1:8080", &format!("http://{}", server.client().address));
    let script = format!("const PASSWORD = {PASSWORD:?}; const CODE = {code:?};\n{TABS}");
    let mut node = Command::new("node")
        .arg("--input-type=module")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs Node");
    node.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), r#"{"statuses":[200,200,200,200,200,200,200,200,200,200,200],"refreshes":3}"#);
}

#[test]
fn pages_of_a_browser_are_hinted_at() {
    let home = Home::new();
    let origin = "--allowed-origins=https://app.example.com";
    let hints = |flags: &[&str]| home.run(&[&["config", "check"], flags].concat()).done().contains("hint: two tabs");
    assert_eq!(
        [hints(&[origin]), hints(&[origin, "--refresh-reuse-grace-seconds=5"]), hints(&[])],
        [true, false, false]
    );
}
