//! Reading e-mail addresses: what is taken for one is taken again, as the same account.
#![no_main]

use doorward::EmailAddress;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(address) = EmailAddress::parse(&text) {
        let again = EmailAddress::parse(address.as_str()).unwrap();
        assert_eq!((again.as_str(), again.key()), (address.as_str(), address.key()));
        assert!(address.as_str().len() <= 254 && !address.as_str().chars().any(char::is_control));
        let key = EmailAddress::parse(address.key()).unwrap();
        assert_eq!(key.key(), address.key());
    }
});
