//! QR codes as SVG: shapes only, to be put into a page as they are. Nothing is loaded from anywhere.

use qrcode::QrCode;
use qrcode::render::svg::Color;

/// How many units a code is wide at least.
const WIDTH: u32 = 240;

/// The QR code of `text`, black on white in any light; `None` when it is too long for one.
pub(crate) fn svg(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let image = code.render::<Color<'_>>().min_dimensions(WIDTH, WIDTH).build();
    // Within a page there is no XML declaration.
    Some(match image.find("<svg") {
        Some(start) => image[start..].to_owned(),
        None => image,
    })
}

#[cfg(test)]
mod tests {
    use super::svg;

    #[test]
    fn a_code_is_shapes_and_nothing_else() {
        let image = svg("otpauth://totp/Doorward:ada%40example.com?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert!(image.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" ") && image.ends_with("/></svg>"));
        let without_namespace = image.replacen("http://www.w3.org/2000/svg", "", 1);
        for foreign in ["http", "href", "url(", "<script", "<image", "<style", "<?", "otpauth"] {
            assert!(!without_namespace.contains(foreign), "{foreign}");
        }
        assert!(svg(&"x".repeat(3000)).is_none());
    }
}
