/* events.jsonl: one JSON object a line; docs/results.md explains the members. Virtual things only. */
#ifndef MUSTER_REPORT_EVENT_LINE_H
#define MUSTER_REPORT_EVENT_LINE_H

#include "muster/federation.h"
#include "report/text.h"

/* The line, with its end. `class_name` of the device; NULL: not said. */
void mu_event_line(mu_text *text, const mu_event_report *report, const char *class_name);

#endif
