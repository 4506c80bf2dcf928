/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What came of the demo, for people and for programs. */
#include "demo.h"
#include "json.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct totals demo_totals(const struct demo *demo)
{
	struct totals totals = { .intact = true };

	for (size_t i = 0; i < demo->count; i++) {
		const struct view_row *row = &demo->rows[i];

		totals.resident_bytes += row->resident_bytes;
		totals.after_bytes += row->after_bytes;
		totals.swap_bytes += row->swap_bytes;
		totals.usec += row->usec;
		totals.intact &= row->data == VIEW_DATA_INTACT;
	}
	totals.saved_bytes = (int64_t)(totals.resident_bytes - totals.after_bytes);
	if (demo->zram_known)
		totals.zram_bytes = demo->zram_after.memory_bytes - demo->zram_before.memory_bytes;
	totals.net_bytes = totals.saved_bytes - (int64_t)totals.zram_bytes;
	return totals;
}

static struct unit_text signed_bytes(int64_t bytes)
{
	struct unit_text text = unit_bytes((uint64_t)(bytes < 0 ? -bytes : bytes));

	if (bytes < 0) {
		memmove(text.text + 1, text.text, sizeof(text.text) - 2);
		text.text[0] = '-';
	}
	return text;
}

void demo_print(struct demo *demo)
{
	struct totals totals = demo_totals(demo);
	char zram[64] = "", line[256];

	if (demo->zram_known)
		snprintf(zram, sizeof(zram), " into %s: net %s", unit_bytes(totals.zram_bytes).text,
			 signed_bytes(totals.net_bytes).text);
	snprintf(line, sizeof(line), "saved %s of %s in %.2fs, %s swapped%s, %s",
		 signed_bytes(totals.saved_bytes).text, unit_bytes(totals.resident_bytes).text,
		 (double)totals.usec / 1e6, unit_bytes(totals.swap_bytes).text, zram,
		 totals.intact ? "data intact" : "DATA LOST");
	view_finish(&demo->view, line, totals.intact ? TERM_GREEN : TERM_RED);
}

static void print_member_json(struct json *json, const struct member *member,
			      const struct view_row *row)
{
	int64_t saved = (int64_t)(row->resident_bytes - row->after_bytes);

	json_object(json, NULL);
	json_string(json, "program", row->program);
	json_string(json, "holds", row->holds);
	json_i64(json, "pid", member->pid);
	json_format(json, "id", "%d:%" PRIu64, (int)member->pid, member->id);
	json_u64(json, "resident_before_bytes", row->resident_bytes);
	json_u64(json, "resident_after_bytes", row->after_bytes);
	json_i64(json, "saved_bytes", saved);
	json_u64(json, "swap_bytes", row->swap_bytes);
	json_u64(json, "advised_bytes", member->result.advised.bytes);
	json_u64(json, "skipped_bytes", member->result.skipped.bytes);
	json_u64(json, "failed_bytes", member->result.failed.bytes);
	json_u64(json, "syscalls", member->result.syscalls);
	json_u64(json, "longest_call_usec", member->result.longest_call_usec);
	json_u64(json, "elapsed_usec", row->usec);
	json_u64(json, "bytes_per_second",
		 row->usec && saved > 0 ? (uint64_t)((double)saved * 1e6 / (double)row->usec) : 0);
	json_u64(json, "answer_before_usec", row->answer_usec);
	json_u64(json, "answer_after_usec", row->first_usec);
	json_bool(json, "answer_same", strcmp(member->answer_before, member->answer_after) == 0);
	json_string(json, "digest_before", member->digest_before);
	json_string(json, "digest_after", member->digest_after);
	json_bool(json, "intact", row->data == VIEW_DATA_INTACT);
	json_end(json);
}

void demo_print_json(const struct demo *demo)
{
	struct totals totals = demo_totals(demo);
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.demo/1");
	json_array(&json, "programs");
	for (size_t i = 0; i < demo->count; i++)
		print_member_json(&json, &demo->members[i], &demo->rows[i]);
	json_end(&json);
	json_object(&json, "swap");
	json_bool(&json, "made", demo->own_swap);
	json_string(&json, "kind",
		    !demo->own_swap			? NULL
		    : demo->swap_made.kind == SWAP_ZRAM ? "zram"
							: "file");
	json_string(&json, "path", demo->own_swap ? demo->swap_made.path : NULL);
	json_u64(&json, "size_bytes", demo->swap_made.size_bytes);
	json_end(&json);
	json_object(&json, "totals");
	json_u64(&json, "resident_before_bytes", totals.resident_bytes);
	json_u64(&json, "resident_after_bytes", totals.after_bytes);
	json_i64(&json, "saved_bytes", totals.saved_bytes);
	json_u64(&json, "swap_bytes", totals.swap_bytes);
	if (demo->zram_known)
		json_u64(&json, "zram_memory_bytes", totals.zram_bytes);
	else
		json_null(&json, "zram_memory_bytes");
	json_i64(&json, "net_saved_bytes", totals.net_bytes);
	json_u64(&json, "elapsed_usec", totals.usec);
	json_u64(&json, "demo_usec", demo->elapsed_usec);
	json_bool(&json, "intact", totals.intact);
	json_end(&json);
	json_end(&json);
}
