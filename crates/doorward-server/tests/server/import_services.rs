//! `users import --from NAME`: small exports as those services write them.

use serde_json::{Value, json};

use crate::application::{Home, UNLIMITED};
use crate::import::foreign;

const PASSWORD: &str = "correct horse battery staple";

/// The password and hash of that maker, for [`PASSWORD`].
fn hash(maker: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("../../../doorward/tests/vectors/foreign.json")).unwrap();
    let all = all["hashes"].as_array().unwrap().clone();
    let vector = all.iter().find(|vector| vector["maker"] == maker && vector["password"] == PASSWORD).unwrap();
    vector["hash"].as_str().unwrap().to_owned()
}

/// Imports that file, and logs everybody in who is expected to be let in.
fn imports(name: &str, (file, text): (&str, &str), more: &[&str], expected: &[(&str, bool)]) -> (Home, Vec<Value>) {
    let home = Home::new();
    home.write(file, text);
    let done = home.run(&[&["users", "import", file, "--from", name, "--create"], more].concat()).done();
    assert!(done.contains(&format!("imported {} account", expected.len())), "{name}: {done}");
    let users: Vec<Value> = serde_json::from_str(&home.run(&["users", "list", "--json"]).done()).unwrap();
    let server = home.serve(&UNLIMITED);
    for (email, is_let_in) in expected {
        let answer = server.client().login(email, PASSWORD);
        assert_eq!(answer.status == 200, *is_let_in, "{name}, {email}: {}", answer.text);
        assert_eq!(server.client().login(email, "another password").status, 401, "{name}, {email}");
    }
    drop(server);
    (home, users)
}

fn user<'a>(users: &'a [Value], email: &str) -> &'a Value {
    users.iter().find(|user| user["email"] == email).unwrap()
}

#[test]
fn from_supabase() {
    let bcrypt = hash("bcrypt, 2a");
    let csv = format!(
        "instance_id,id,aud,role,email,encrypted_password,email_confirmed_at,created_at,banned_until,deleted_at,\
         raw_user_meta_data\n\
         0,11111111-1111-4111-8111-111111111111,authenticated,authenticated,ada@example.com,{bcrypt},2024-01-02 \
         03:04:05+00,2024-01-01 00:00:00+00,,,\"{{\"\"full_name\"\": \"\"Ada Lovelace\"\"}}\"\n\
         0,22222222-2222-4222-8222-222222222222,authenticated,authenticated,eve@example.com,{bcrypt},,2024-01-01 \
         00:00:00+00,2999-01-01 00:00:00+00,,{{}}\n"
    );
    let map = &["--id-map", "ids.csv"];
    let expected = [("ada@example.com", true), ("eve@example.com", false)];
    let (home, users) = imports("supabase", ("users.csv", &csv), map, &expected);
    let ada = user(&users, "ada@example.com");
    assert_eq!(
        (&ada["full_name"], &ada["email_verified"], &ada["role"]),
        (&json!("Ada Lovelace"), &json!(true), &json!("user"))
    );
    assert_eq!(user(&users, "eve@example.com")["is_active"], false);
    let ids = std::fs::read_to_string(home.path().join("ids.csv")).unwrap();
    let expected =
        format!("old_id,new_id,email\n\"11111111-1111-4111-8111-111111111111\",{},\"ada@example.com\"\n", ada["id"]);
    assert!(ids.starts_with(&expected), "{ids}");
}

#[test]
fn from_keycloak() {
    let pbkdf2 = hash("hashlib, pbkdf2-sha512");
    let parts: Vec<_> = pbkdf2.split('$').collect();
    let padded = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let credential = json!({
        "type": "password",
        "secretData": json!({"value": padded(parts[4]), "salt": padded(parts[3]), "additionalParameters": {}}).to_string(),
        "credentialData": json!({"hashIterations": 1000, "algorithm": "pbkdf2-sha512", "additionalParameters": {}}).to_string(),
    });
    let argon2 = hash("Django, argon2");
    let parts: Vec<_> = argon2.trim_start_matches("argon2").split('$').collect();
    let parameters: Vec<_> = parts[3].split(',').map(|part| part.split_once('=').unwrap().1).collect();
    let modern = json!({
        "type": "password",
        "secretData": json!({"value": padded(parts[5]), "salt": padded(parts[4])}).to_string(),
        "credentialData": json!({"hashIterations": parameters[1].parse::<u32>().unwrap(), "algorithm": "argon2",
            "additionalParameters": {"hashLength": ["32"], "memory": [parameters[0]], "type": ["id"], "version": ["1.3"],
                "parallelism": [parameters[2]]}}).to_string(),
    });
    let realm = json!({"realm": "example", "users": [
        {"id": "1f0f3b5e-0000-4000-8000-000000000001", "createdTimestamp": 1_704_164_645_250_i64, "username": "ada",
         "enabled": true, "emailVerified": true, "firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com",
         "credentials": [{"type": "otp"}, credential], "realmRoles": ["default-roles-example", "admin"]},
        {"id": "1f0f3b5e-0000-4000-8000-000000000002", "username": "bob", "enabled": true, "email": "bob@example.com",
         "credentials": [modern]},
        {"id": "1f0f3b5e-0000-4000-8000-000000000003", "username": "eve", "enabled": false, "email": "eve@example.com",
         "credentials": []},
    ]});
    let expected = [("ada@example.com", true), ("bob@example.com", true), ("eve@example.com", false)];
    let (_, users) = imports("keycloak", ("realm.json", &realm.to_string()), &[], &expected);
    let ada = user(&users, "ada@example.com");
    assert_eq!((&ada["full_name"], &ada["role"]), (&json!("Ada Lovelace"), &json!("admin")));
    assert_eq!(ada["created_at"], "2024-01-02T03:04:05Z");
}

#[test]
fn from_auth0() {
    let bcrypt = hash("bcrypt, 2b");
    let line = |email: &str, more: Value| {
        let mut account = json!({"_id": {"$oid": "60425dc43519d90068f82973"}, "email_verified": true, "email": email,
            "passwordHash": bcrypt, "password_set_date": {"$date": "2021-03-05T16:34:50.502Z"}, "tenant": "dev-example"});
        account.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        account.to_string()
    };
    let lines = format!(
        "{}\n{}\n",
        line("ada@example.com", json!({"name": "Ada"})),
        line("eve@example.com", json!({"blocked": true}))
    );
    let expected = [("ada@example.com", true), ("eve@example.com", false)];
    let (_, users) = imports("auth0", ("users.json", &lines), &[], &expected);
    assert_eq!(user(&users, "ada@example.com")["email_verified"], true);
}

#[test]
fn from_firebase() {
    let signer = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let tag = "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==";
    let export = json!({"users": [
        {"localId": "abc", "email": "ada@example.com", "emailVerified": true, "passwordHash": tag,
         "salt": "42xEC-ixf3L2lw==", "displayName": "Ada", "createdAt": "1704164645250"},
        {"localId": "def", "email": "bob@example.com", "providerUserInfo": [{"providerId": "google.com"}]},
    ]});
    let home = Home::new();
    home.write("users.json", &export.to_string());
    let parameters = format!(
        "hash_config {{\n  algorithm: SCRYPT,\n  base64_signer_key: {signer},\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}}\n"
    );
    home.write("hash.txt", &parameters);
    let import = ["users", "import", "users.json", "--from", "firebase", "--create"];
    assert!(home.run(&import).stderr.contains("--firebase-config"));
    let done = home.run(&[&import[..], &["--firebase-config", "hash.txt"]].concat()).done();
    assert!(done.contains("imported 2 accounts") && done.contains("1 hash of Firebase scrypt"), "{done}");
    let server = home.serve(&[]);
    assert_eq!(server.client().login("ada@example.com", "user1password").status, 200);
    assert_eq!(server.client().login("ada@example.com", "user1password").status, 200, "with the hash made anew");
    assert_eq!(server.client().login("bob@example.com", "user1password").status, 401);
}

#[test]
fn from_django_fastapi_users_and_devise() {
    let (pbkdf2, argon2, bcrypt) = (hash("Django, pbkdf2_sha256"), hash("passlib, argon2"), hash("bcrypt, 2a"));
    let expected = [("ada@example.com", true), ("eve@example.com", false)];
    let django = format!(
        "id,password,last_login,is_superuser,username,first_name,last_name,email,is_staff,is_active,date_joined\n\
         7,{pbkdf2},,t,ada,Ada,Lovelace,ada@example.com,t,t,2024-01-02 03:04:05.25+00\n\
         8,{pbkdf2},,f,eve,,,eve@example.com,f,f,2024-01-02 03:04:05+00\n"
    );
    let (_, users) = imports("django", ("users.csv", &django), &[], &expected);
    let ada = user(&users, "ada@example.com");
    assert_eq!((&ada["id"], &ada["role"], &ada["full_name"]), (&json!(7), &json!("admin"), &json!("Ada Lovelace")));

    let fastapi = format!(
        "id,email,hashed_password,is_active,is_superuser,is_verified\n\
         1f0f3b5e-0000-4000-8000-000000000001,ada@example.com,\"{argon2}\",true,true,true\n\
         1f0f3b5e-0000-4000-8000-000000000002,eve@example.com,\"{argon2}\",false,false,false\n"
    );
    let (_, users) = imports("fastapi-users", ("users.csv", &fastapi), &[], &expected);
    assert_eq!((&users[1]["role"], &users[1]["email_verified"]), (&json!("admin"), &json!(true)));

    let devise = format!(
        "id,email,encrypted_password,confirmed_at,locked_at,admin,created_at,name\n\
         3,ada@example.com,{bcrypt},2024-01-02 03:04:05,,true,2024-01-02 03:04:05,Ada\n\
         4,eve@example.com,{bcrypt},,2024-01-02 03:04:05,false,2024-01-02 03:04:05,\n"
    );
    let (_, users) = imports("devise", ("users.csv", &devise), &[], &expected);
    assert_eq!(user(&users, "ada@example.com")["id"], 3);
}

#[test]
fn who_has_a_hash_that_cannot_be_kept_gets_a_letter_instead() {
    let strong = foreign("bcrypt, default");
    let csv = format!(
        "id,email,hash\n1,ada@example.com,\"{}\"\n2,bob@example.com,5f4dcc3b5aa765d61d8327deb882cf99\n\
         3,eve@example.com,{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
        strong.1
    );
    let home = Home::new();
    home.write("users.csv", &csv);
    let import = ["users", "import", "users.csv", "--create"];
    let refused = home.run(&import);
    assert!(refused.stdout.contains("line 3 refused: the hash is too weak to be kept"), "{refused:?}");
    assert!(refused.stdout.contains("--must-change-password"), "{refused:?}");
    let home = Home::new();
    home.write("users.csv", &csv);
    let import = [&import[..], &["--must-change-password"]].concat();
    let dry = home.run(&[&import[..], &["--dry-run"]].concat()).done();
    assert!(dry.contains("2 accounts without the hash there was") && !dry.contains("on the way"), "{dry}");
    let done = home.run(&import).done();
    assert!(done.contains("2 letters on the way"), "{done}");
    let mut server = home.serve(&["--mail", "log"]);
    for name in ["bob", "eve"] {
        let letter = server.wait_for_event("mail");
        assert!(letter["subject"].as_str().unwrap().contains("Choose a new password"), "{name}: {letter}");
    }
    assert_eq!(server.client().login("ada@example.com", &strong.0).status, 200);
    assert_eq!(server.client().login("bob@example.com", "password").status, 401);
}
