/* Pages. */
#include "report/page.h"

#include "base/file.h"

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:1340px;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.6em;margin-bottom:.1em}h2{font-size:1.15em;margin:1.8em 0 .5em;border-bottom:1px solid #ddd}"
    ".lead{color:#555;margin-top:0}table{border-collapse:collapse;margin:.5em 0}"
    "th,td{text-align:right;padding:.15em .9em;border-bottom:1px solid #eee;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left;padding-left:0}thead th{border-bottom:1px solid #999}tbody th{font-weight:normal;color:#555}"
    "pre{background:#f6f6f6;padding:.8em 1em;overflow-x:auto;font-size:13px;line-height:1.4}"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:1.2em}"
    "figure{margin:0}figcaption{text-align:center;font-weight:600;margin-bottom:.3em}figure svg{width:100%;height:auto}"
    ".missing{color:#777;border:1px dashed #bbb;padding:2em 1em;text-align:center}"
    ".scroll{overflow-x:auto}.facts{display:flex;flex-wrap:wrap;gap:.5em 3em;margin:1.2em 0 1.8em}.facts b{display:block;font-size:1.5em;"
    "font-weight:600}.facts span{color:#666}";

void mu_page_begin(mu_page *page, const char *title, const char *lead)
{
    *page = (mu_page){ 0 };
    mu_text *text = &page->text;
    mu_text_put(text, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      /* nothing may be loaded or run, whatever a name on the page says */
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>");
    mu_text_html(text, title);
    mu_text_format(text, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
    mu_text_html(text, title);
    mu_text_put(text, "</h1>\n<p class=\"lead\">");
    mu_text_html(text, lead);
    mu_text_put(text, "</p>\n");
}

mu_status mu_page_end(mu_page *page, const char *path, mu_error *err)
{
    mu_text_put(&page->text, "</body>\n</html>\n");
    mu_status status = page->text.failed ? mu_error_set(err, MU_E_MEMORY, "%s: no memory for the page", path)
                                         : mu_file_write(path, page->text.bytes, page->text.size_bytes, err);
    mu_text_release(&page->text);
    return status;
}

static void put_element(mu_page *page, const char *open, const char *words, const char *close)
{
    mu_text_put(&page->text, open);
    mu_text_html(&page->text, words);
    mu_text_put(&page->text, close);
}

void mu_page_heading(mu_page *page, const char *words) { put_element(page, "<h2>", words, "</h2>\n"); }
void mu_page_paragraph(mu_page *page, const char *words) { put_element(page, "<p>", words, "</p>\n"); }
void mu_page_preformatted(mu_page *page, const char *words) { put_element(page, "<pre>", words, "</pre>\n"); }

void mu_page_facts(mu_page *page, const mu_page_fact *facts, size_t count)
{
    mu_text_put(&page->text, "<div class=\"facts\">\n");
    for (size_t i = 0; i < count; i++) {
        put_element(page, "<div><b>", facts[i].value, "</b> ");
        put_element(page, "<span>", facts[i].name, "</span></div>\n");
    }
    mu_text_put(&page->text, "</div>\n");
}

void mu_page_table_begin(mu_page *page) { mu_text_put(&page->text, "<div class=\"scroll\"><table>\n"); }
void mu_page_table_end(mu_page *page) { mu_text_put(&page->text, "</table></div>\n"); }

void mu_page_table_row(mu_page *page, const char *const *cells, size_t count, bool heading)
{
    mu_text_put(&page->text, heading ? "<thead><tr>" : "<tr>");
    for (size_t i = 0; i < count; i++)
        put_element(page, heading || i == 0 ? "<th>" : "<td>", cells[i], heading || i == 0 ? "</th>" : "</td>");
    mu_text_put(&page->text, heading ? "</tr></thead>\n" : "</tr>\n");
}

void mu_page_figures_begin(mu_page *page) { mu_text_put(&page->text, "<div class=\"figures\">\n"); }
void mu_page_figures_end(mu_page *page) { mu_text_put(&page->text, "</div>\n"); }

void mu_page_figure(mu_page *page, const char *title, mu_status status, mu_text *svg, const mu_error *err)
{
    mu_text *text = &page->text;
    if (status == MU_E_UNSUPPORTED && page->no_gnuplot)
        goto done;
    mu_text_put(text, "<figure>\n");
    if (!status) {
        put_element(page, "<figcaption>", title, "</figcaption>\n");
        mu_text_put_bytes(text, svg->bytes, svg->size_bytes);
    } else if (status == MU_E_UNSUPPORTED) {
        page->no_gnuplot = true;
        put_element(page, "<p class=\"missing\">There are no figures here: ", err->message,
                    ". Install it (Debian: apt-get install gnuplot-nox) and make this page again.</p>\n");
    } else {
        put_element(page, "<p class=\"missing\">", title, ": ");
        put_element(page, "", err->message, "</p>\n");
    }
    mu_text_put(text, "</figure>\n");
done:
    text->failed |= svg->failed;
    mu_text_release(svg);
}
