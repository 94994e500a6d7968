//! The page, whose files are part of the program, and the readme, to which it links.

use axum::Router;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use neffos::Asset;

/// Returns the routes of the page at `/` and of its files.
pub(crate) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |content_type, text: &'static str| {
        Asset::new(content_type, text).with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)).route()
    };
    let router = Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../web/index.html")))
        .route("/page.js", file(SCRIPT, include_str!("../web/page.js")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("../web/page.css")))
        .route("/demo.css", file("text/css; charset=utf-8", include_str!("../web/demo.css")))
        // Browsers show plain text, and download Markdown.
        .route("/readme", file("text/plain; charset=utf-8", include_str!("../web/README.md")));
    MODULES.iter().fold(router, |router, (path, text)| router.route(path, file(SCRIPT, text)))
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The policy of the page: it may load its own files, and open websockets to any host, because a proxy may serve them
/// under another host name.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

macro_rules! modules {
    ($($name:literal)*) => {
        &[$((concat!("/page/", $name, ".js"), include_str!(concat!("../web/page/", $name, ".js")))),*]
    };
}

/// The path and the text of each module of the page.
const MODULES: &[(&str, &str)] = modules!(
    "burst" "command" "connection" "demo" "elements" "errors" "face" "hear" "latency" "lines" "myself" "numbers" "people" "places" "say" "side" "stalled" "state" "talk"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_page_is_part_of_the_program_and_loaded_at_once() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/page");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = files.map(|name| format!("/page/{name}")).collect();
        files.sort();
        assert_eq!(MODULES.iter().map(|(path, _)| *path).collect::<Vec<_>>(), files);

        let html = include_str!("../web/index.html");
        let preloads = |path: &str| html.contains(&format!(r#"<link rel="modulepreload" href=".{path}" />"#));
        let late: Vec<_> = files.iter().filter(|path| !preloads(path)).collect();
        assert!(late.is_empty(), "not preloaded by index.html: {late:?}");
    }
}
