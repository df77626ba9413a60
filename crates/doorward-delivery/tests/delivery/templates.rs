//! Templates: what comes with the program, and what an operator puts in its place.

use std::fs;

use doorward::letter::LetterContent;
use doorward_delivery::{Links, Templates};
use tempfile::TempDir;

fn links() -> Links {
    Links::new("https://auth.example.com").unwrap()
}

#[test]
fn every_letter_can_be_read_as_text_and_as_html() {
    let templates = Templates::built_in().unwrap();
    for name in LetterContent::NAMES {
        let letter = templates.preview(name, &links(), "Tom & <Jerry>").unwrap().unwrap();
        assert!(letter.subject.contains("Tom & <Jerry>"), "{}", letter.subject);
        assert!(!letter.text.contains("Subject:") && !letter.text.contains("&amp;"), "{}", letter.text);
        assert!(letter.text.starts_with("Hello Ada Lovelace,\n"), "{}", letter.text);
        assert!(letter.html.contains("Tom &amp; &lt;Jerry&gt;") && !letter.html.contains("<Jerry>"), "{}", letter.html);
        for part in [&letter.subject, &letter.text, &letter.html] {
            assert!(!part.contains("{{") && !part.contains("{%") && !part.contains("None"), "{part}");
        }
        // No image and no style from elsewhere: nobody is told when a letter is opened.
        assert!(!letter.html.contains("src=") && !letter.html.contains("url("), "{}", letter.html);
    }
    assert!(templates.preview("no_such_letter", &links(), "x").is_none());
}

#[test]
fn a_file_of_the_folder_takes_the_place_of_its_namesake() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recover.txt"), "Subject: Neues Passwort\n\n{% include '_gruss.txt' %} {{ link }}")
        .unwrap();
    fs::write(folder.path().join("_gruss.txt"), "Hallo {{ name }}").unwrap();
    fs::write(folder.path().join(".keep"), "").unwrap();
    let templates = Templates::from_folder(folder.path()).unwrap();
    let letter = templates.preview("recover", &links(), "x").unwrap().unwrap();
    assert_eq!(letter.subject, "Neues Passwort");
    assert!(letter.text.starts_with("Hallo Ada Lovelace https://auth.example.com/account/recover?token="));
    assert!(letter.html.contains("Choose a new password"), "the other half is as it was");
}

#[test]
fn what_makes_no_letter_is_told_at_the_start() {
    for (name, text, reason) in [
        ("recovr.txt", "Subject: x\n\n{{ link }}", "no letter has a template of that name"),
        ("recover.txt", "no subject\n\n{{ link }}", "it doesn't begin with a line `Subject: …`"),
        ("recover.txt", "Subject:\n\n{{ link }}", "it doesn't begin with a line `Subject: …`"),
        ("recover.txt", "Subject: x\n\n{{ lnik }}", "`lnik` is undefined (line 3)"),
        ("recover.txt", "Subject: x\n\nno link", "the link is missing: {{ link }}"),
        ("recover.html", "{% if %}", "syntax error"),
        ("recover.html", "<p>no link</p>", "the link is missing: {{ link }}"),
        ("recover.html", "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}", "fuel"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let fault = Templates::from_folder(folder.path()).unwrap_err();
        assert!(fault.template.contains(name), "{fault}");
        assert!(fault.reason.contains(reason), "{text}: {fault}");
    }
    let nowhere = TempDir::new().unwrap().path().join("nowhere");
    assert!(Templates::from_folder(&nowhere).unwrap_err().template.contains("nowhere"));
}
