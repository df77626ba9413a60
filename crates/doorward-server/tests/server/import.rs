//! `users import` from files.

use serde_json::{Value, json};

use crate::application::{CHEAP, Home};

/// Made by `scripts/interop/make_foreign_vectors.py`.
pub(crate) fn foreign(maker: &str) -> (String, String) {
    let all: Value = serde_json::from_str(include_str!("../../../doorward/tests/vectors/foreign.json")).unwrap();
    let vector = all["hashes"].as_array().unwrap().iter().find(|vector| vector["maker"] == maker).unwrap();
    (vector["password"].as_str().unwrap().to_owned(), vector["hash"].as_str().unwrap().to_owned())
}

fn listed(home: &Home) -> Vec<Value> {
    serde_json::from_str(&home.run(&["users", "list", "--json"]).done()).unwrap()
}

#[test]
fn accounts_of_a_csv_file_log_in_and_get_new_hashes() {
    let home = Home::new();
    let makers = ["bcrypt, default", "Django, default", "passlib, scrypt, default", "Werkzeug, default"];
    let mut csv = "\u{feff}id,email,full_name,hashed_password,role,is_active,created_at,shoe_size\n".to_owned();
    for (index, maker) in makers.iter().enumerate() {
        let (_, hash) = foreign(maker);
        csv += &format!(
            "{},u{index}@Example.com,\"Name, {index}\",\"{hash}\",Admin,t,2024-01-02 03:04:05+00,43\n",
            10 + index
        );
    }
    csv += "20,nobody@example.com,,,user,false,1704164645,\n";
    home.write("users.csv", &csv);
    let dry = home.run(&["users", "import", "users.csv", "--dry-run", "--create"]).done();
    assert!(dry.contains("would import 5 accounts, 0 rows refused"), "{dry}");
    assert!(!home.data("").exists(), "a dry run makes nothing");
    let done = home.run(&["users", "import", "users.csv", "--create"]).done();
    assert!(done.contains("imported 5 accounts") && done.contains("1 account without a password"), "{done}");

    let users = listed(&home);
    let nobody = &users[0];
    assert_eq!((&nobody["id"], &nobody["is_active"]), (&json!(20), &json!(false)));
    let last = json!({"id": 13, "email": "u3@example.com", "full_name": "Name, 3", "role": "admin", "is_active": true, "email_verified": false,
        "created_at": "2024-01-02T03:04:05Z"});
    assert_eq!(users[1], last);

    let server = home.serve(&[]);
    for (index, maker) in makers.iter().enumerate() {
        let email = format!("u{index}@example.com");
        assert_eq!(server.client().login(&email, "wrong password").code(), "AUTH_INVALID_CREDENTIALS");
        assert_eq!(server.client().login(&email, &foreign(maker).0).status, 200, "{maker}");
        let database = rusqlite::Connection::open(home.data("doorward.db")).unwrap();
        let select = "SELECT password_hash FROM users WHERE id = ?1";
        let hash: String = database.query_row(select, [10 + index as i64], |row| row.get(0)).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(server.client().login(&email, &foreign(maker).0).status, 200, "{maker}, upgraded");
    }
    let new = server.client().register("new@example.com", "correct horse battery staple").tokens();
    assert_eq!(server.client().me(&new.access).body["id"], 21, "numbers go on after the highest");
}

#[test]
fn every_refused_row_is_named_with_its_reason() {
    let home = Home::with_database();
    let create = [&["users", "create", "--email", "here@example.com", "--password-stdin"], &CHEAP[..]].concat();
    home.run_with_input(&create, "a password of its own").done();
    let (_, hash) = foreign("bcrypt, default");
    let costly = format!("$2b$31${}", "a".repeat(53));
    home.write(
        "users.csv",
        &format!(
            "id,email,password_hash,role,is_active,created_at\n\
             2,good@example.com,{hash},user,1,\n\
             3,Good@EXAMPLE.com,{hash},user,1,\n\
             2,other@example.com,{hash},user,1,\n\
             1,taken-id@example.com,{hash},user,1,\n\
             4,HERE@example.com,{hash},user,1,\n\
             5,no address,{hash},user,1,\n\
             6,costly@example.com,{costly},user,1,\n\
             7,plain@example.com,hunter2hunter2,user,1,\n\
             8,role@example.com,{hash},superuser,1,\n\
             9,state@example.com,{hash},user,perhaps,\n\
             10,when@example.com,{hash},user,1,once upon a time\n\
             abc,id@example.com,{hash},user,1,\n\
             11,short@example.com\n\
             12,fine@example.com,{hash},user,1,\n"
        ),
    );
    let outcome = home.run(&["users", "import", "users.csv", "--report", "refused.csv"]);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stdout.contains("imported 2 accounts, 12 rows refused"), "{}", outcome.stdout);
    assert!(outcome.refused().contains("12 rows refused: refused.csv says why"));
    let report = std::fs::read_to_string(home.path().join("refused.csv")).unwrap();
    let expected = [
        (3, "line 2 has the same address"),
        (4, "line 2 has the same id"),
        (5, "has this id already"),
        (6, "has this address already"),
        (7, "@-sign"),
        (8, "a cost of 16"),
        (9, "none of the forms"),
        (10, "--admin-value"),
        (11, "neither true nor false"),
        (12, "neither a date"),
        (13, "not a positive whole number"),
        (14, "it has 2 fields and not 6"),
    ];
    let lines: Vec<_> = report.lines().skip(1).collect();
    assert_eq!(lines.len(), expected.len(), "{report}");
    for ((number, reason), line) in expected.iter().zip(lines) {
        assert!(line.starts_with(&format!("{number},")) && line.contains(reason), "{line}: {reason}");
    }
    assert!(!report.contains("hunter2") && !report.contains("example.com"), "no row is repeated: {report}");
    assert_eq!(listed(&home).len(), 3);
    let again = home.run(&["users", "import", "users.csv"]);
    assert!(again.stdout.contains("imported 0 accounts, 14 rows refused"), "twice harms nobody: {}", again.stdout);
}

#[test]
fn json_lines_come_by_standard_input_too() {
    let home = Home::with_database();
    let (password, hash) = foreign("Django, argon2");
    let good = json!({"pk": "0b5e7a54-3c1d-4f7e-9a7c-2f6d1c8e4b90", "mail": "ada@example.com", "pw": hash,
        "is_superuser": true, "name": "Ada", "created_at": null, "is_active": true});
    let input = format!("{good}\n\nnot json\n[1]\n{{\"mail\": {{}}}}\n");
    let flags = ["--format", "jsonl", "--id-column", "pk", "--email-column", "mail", "--hash-column", "pw"];
    let more = ["--role-column", "is_superuser", "--admin-value", "true"];
    let outcome = home.run_with_input(&[&["users", "import", "-"], &flags[..], &more].concat(), &input);
    assert_eq!(outcome.status, Some(1));
    for said in
        ["line 3 refused", "line 4 refused", "line 5 refused: its mail is", "imported 1 account,", "ids are new"]
    {
        assert!(outcome.stdout.contains(said), "{said}: {}", outcome.stdout);
    }
    let users = listed(&home);
    assert_eq!((&users[0]["id"], &users[0]["role"]), (&json!(1), &json!("admin")));
    let server = home.serve(&[]);
    assert_eq!(server.client().login("ada@example.com", &password).status, 200);
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    let home = Home::with_database();
    assert!(home.run(&["users", "import", "none.csv"]).refused().contains("cannot open none.csv"));
    home.write("users.csv", "id,address,secret\n1,ada@example.com,x\n");
    let reason = home.run(&["users", "import", "users.csv"]).refused();
    assert!(reason.contains("--email-column") && reason.contains("id, address, secret"), "{reason}");
    assert_eq!(home.run(&["users", "import", "users.xlsx"]).status, Some(2));
    assert_eq!(home.run(&["users", "import"]).status, Some(2));
}

#[test]
fn more_than_a_batch_comes_in_while_the_server_serves() {
    let home = Home::with_database();
    let server = home.serve(&[]);
    let (password, hash) = foreign("bcrypt, 2b");
    let rows: String = (1..=2500).map(|id| format!("{id},u{id}@example.com,{hash}\n")).collect();
    home.write("users.csv", &format!("id,email,password_hash\n{rows}"));
    let done = home.run(&["users", "import", "users.csv"]).done();
    assert!(done.contains("imported 2500 accounts"), "{done}");
    assert_eq!(server.client().login("u2500@example.com", &password).status, 200);
}

/// A line is blamed as an editor counts it, however its rows end and whatever its fields hold.
#[test]
fn the_right_lines_are_blamed_in_every_kind_of_csv() {
    let unix = concat!(
        "email,note,id,hashed_password\n",
        "a@example.com,\"two\nlines\",1,\n",
        "not an address,x,2,\n",
        "\n",
        "b@example.com,\"y\",3,\n",
        "worse,z,4,"
    );
    let windows = unix.replace('\n', "\r\n");
    let semicolons = unix.replace(',', ";");
    let bom = format!("\u{feff}{windows}\r\n");
    for (kind, text) in [("unix", unix), ("windows", &windows), ("semicolons", &semicolons), ("bom", &bom)] {
        let home = Home::with_database();
        home.write("users.csv", text);
        let outcome = home.run(&["users", "import", "users.csv", "--report", "refused.csv"]);
        let report = std::fs::read_to_string(home.path().join("refused.csv")).unwrap();
        let lines: Vec<_> = report.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(lines, ["4", "7"], "{kind}: {report} {outcome:?}");
        let ids: Vec<_> = listed(&home).iter().map(|user| user["id"].clone()).collect();
        assert_eq!(ids, [json!(3), json!(1)], "{kind}");
    }
    let home = Home::with_database();
    home.write("users.csv", "email,id,hashed_password\ra@example.com,1,\r");
    assert!(home.run(&["users", "import", "users.csv"]).refused().contains("carriage returns alone"));
}

#[test]
fn who_was_verified_elsewhere_logs_in_where_it_is_required() {
    let home = Home::with_database();
    let (password, hash) = foreign("bcrypt, default");
    home.write(
        "a.csv",
        &format!("email,password,email_verified\nada@example.com,{hash},true\nbob@example.com,{hash},f\n"),
    );
    home.write(
        "b.jsonl",
        &format!(
            "{}\n{}\n",
            json!({"email": "cleo@example.com", "password": hash, "email_confirmed_at": "2024-01-02T03:04:05Z"}),
            json!({"email": "dan@example.com", "password": hash, "email_confirmed_at": null}),
        ),
    );
    home.write("c.csv", &format!("email,password,proven\neve@example.com,{hash},maybe\nfay@example.com,{hash},1\n"));
    for file in ["a.csv", "b.jsonl"] {
        let done = home.run(&["users", "import", file]).done();
        assert!(done.contains("imported 2 accounts") && done.contains("1 account with a verified address"), "{done}");
    }
    let outcome = home.run(&["users", "import", "c.csv", "--verified-column", "proven"]);
    assert!(outcome.stdout.contains("line 2 refused: whether the address is verified"), "{outcome:?}");
    assert!(home.run(&["users", "show", "cleo@example.com"]).done().contains("verified yes"));
    let server = home.serve(&["--email-verification", "required"]);
    let client = server.client();
    for (name, status) in [("ada", 200), ("bob", 403), ("cleo", 200), ("dan", 403), ("fay", 200)] {
        assert_eq!(client.login(&format!("{name}@example.com"), &password).status, status, "{name}");
    }
    assert!(home.run(&["users", "verify", "bob@example.com"]).done().contains("is verified"));
    assert_eq!(client.login("bob@example.com", &password).status, 200);
}
