/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint map: one process's address space, and what of it is resident, out, or was never touched. */
#include "cleanup.h"
#include "columns.h"
#include "json.h"
#include "kinds.h"
#include "log.h"
#include "match.h"
#include "targets.h"
#include "term.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DEFINE_CLEANUP(struct memhint_map *, memhint_map_close)

enum {
	OPTION_ONLY = OPTION_OWN,
	OPTION_MAPPING,
	OPTION_SORT,
	OPTION_COLUMNS,
	OPTION_BYTES,
	OPTION_FLAGS,
};

enum {
	COLUMN_START,
	COLUMN_END,
	COLUMN_PERMS,
	COLUMN_KIND,
	COLUMN_OFFSET,
	COLUMN_SIZE,
	COLUMN_RSS,
	COLUMN_SWAP,
	COLUMN_UNTOUCHED,
	COLUMN_HUGE,
	COLUMN_BAR,
	COLUMN_FLAGS,
	COLUMN_NAME,
};

static const struct column all_columns[] = {
	[COLUMN_START] = { "start", "START", .right = true, .by_default = true,
			   .help = "first address" },
	[COLUMN_END] = { "end", "END", .right = true, .by_default = true,
			 .help = "address after the last" },
	[COLUMN_PERMS] = { "perms", "PERM", .by_default = true,
			   .help = "readable, writable, executable; private or shared" },
	[COLUMN_KIND] = { "kind", "KIND", .by_default = true,
			  .help = "anon, heap, stack, file, shmem, code or special" },
	[COLUMN_OFFSET] = { "offset", "OFFSET", .right = true, .help = "where in the file" },
	[COLUMN_SIZE] = { "size", "SIZE", .right = true, .by_default = true,
			  .help = "size of the mapping" },
	[COLUMN_RSS] = { "rss", "RSS", .right = true, .by_default = true, .help = "resident" },
	[COLUMN_SWAP] = { "swap", "SWAP", .right = true, .by_default = true,
			  .help = "swapped out" },
	[COLUMN_UNTOUCHED] = { "untouched", "UNTOUCHED", .right = true,
			       .help = "neither: never touched, or given back" },
	[COLUMN_HUGE] = { "huge", "HUGE", .right = true, .by_default = true,
			  .help = "resident in transparent huge pages" },
	[COLUMN_BAR] = { "bar", "RESIDENT", .by_default = true,
			 .help = "the mapping as a bar: resident, swapped out, untouched" },
	[COLUMN_FLAGS] = { "flags", "FLAGS", .by_default = true,
			   .help = "locked, droppable and the like; ? where this cannot be told" },
	[COLUMN_NAME] = { "name", "NAME", .may_cut = true, .by_default = true,
			  .help = "file, or what it is for" },
	{}
};

struct map {
	struct targets targets;
	struct columns columns;
	uint32_t kinds;
	const char *pattern;
	bool json;
	bool bytes;
	bool need_flags;
};

/* The sums of one kind. */
struct map_total {
	size_t mappings;
	uint64_t size_bytes;
	uint64_t rss_bytes;
	uint64_t swap_bytes;
	uint64_t huge_bytes;
};

static uint64_t vma_size(const struct memhint_vma *vma)
{
	return vma->end - vma->start;
}

static uint64_t vma_untouched(const struct memhint_vma *vma)
{
	uint64_t touched = vma->resident_bytes + vma->swapped_bytes;

	return vma_size(vma) > touched ? vma_size(vma) - touched : 0;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_vmas(const void *a, const void *b, void *userdata)
{
	const struct memhint_vma *x = *(const struct memhint_vma *const *)a;
	const struct memhint_vma *y = *(const struct memhint_vma *const *)b;
	const struct columns *columns = userdata;
	int r = 0;

	switch (columns->sort) {
	case COLUMN_PERMS:
		r = strcmp(vma_permissions(x->flags).text, vma_permissions(y->flags).text);
		break;
	case COLUMN_KIND:
		r = compare_u64(x->kind, y->kind);
		break;
	case COLUMN_OFFSET:
		r = compare_u64(x->offset, y->offset);
		break;
	case COLUMN_SIZE:
		r = compare_u64(vma_size(y), vma_size(x));
		break;
	case COLUMN_RSS:
		r = compare_u64(y->resident_bytes, x->resident_bytes);
		break;
	case COLUMN_SWAP:
		r = compare_u64(y->swapped_bytes, x->swapped_bytes);
		break;
	case COLUMN_UNTOUCHED:
		r = compare_u64(vma_untouched(y), vma_untouched(x));
		break;
	case COLUMN_HUGE:
		r = compare_u64(y->huge_bytes, x->huge_bytes);
		break;
	case COLUMN_BAR:
		r = compare_u64(y->resident_bytes + y->swapped_bytes,
				x->resident_bytes + x->swapped_bytes);
		break;
	case COLUMN_FLAGS:
		r = compare_u64(y->flags >> 8, x->flags >> 8);
		break;
	case COLUMN_NAME:
		r = strcmp(x->name, y->name);
		break;
	}
	if (r == 0)
		r = compare_u64(x->start, y->start);
	return columns->reverse ? -r : r;
}

static enum term_colour kind_colour(uint32_t kind)
{
	switch (kind) {
	case MEMHINT_KIND_ANON:
	case MEMHINT_KIND_HEAP:
	case MEMHINT_KIND_STACK:
		return TERM_GREEN;
	case MEMHINT_KIND_SHMEM:
		return TERM_YELLOW;
	case MEMHINT_KIND_SPECIAL:
		return TERM_DIM;
	default:
		return TERM_CYAN;
	}
}

static void set_flags(struct table *table, size_t cell, const struct memhint_vma *vma, bool known)
{
	const char *name;
	char text[256];
	size_t length = 0;
	unsigned from = 0;

	if (!known) {
		table_set(table, cell, "?");
		return;
	}
	text[0] = '\0';
	while ((name = vma_flag_next(vma->flags, &from)) && length < sizeof(text))
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   length ? "," : "", name);
	table_set(table, cell, text);
	if (vma->flags & (MEMHINT_VMA_LOCKED | MEMHINT_VMA_DROPPABLE))
		table_colour(table, cell, TERM_RED);
}

static void show_cell(const struct map *map, const struct term *term, struct table *table,
		      size_t cell, const struct memhint_vma *vma, bool flags_known)
{
	switch (map->columns.ids[cell]) {
	case COLUMN_START:
		table_format(table, cell, "%" PRIx64, vma->start);
		break;
	case COLUMN_END:
		table_format(table, cell, "%" PRIx64, vma->end);
		break;
	case COLUMN_PERMS:
		table_set(table, cell, vma_permissions(vma->flags).text);
		break;
	case COLUMN_KIND:
		table_set(table, cell, memhint_kind_name(vma->kind));
		table_colour(table, cell, kind_colour(vma->kind));
		break;
	case COLUMN_OFFSET:
		table_format(table, cell, "%" PRIx64, vma->offset);
		break;
	case COLUMN_SIZE:
		table_bytes(table, cell, vma_size(vma), map->bytes);
		break;
	case COLUMN_RSS:
		table_bytes(table, cell, vma->resident_bytes, map->bytes);
		break;
	case COLUMN_SWAP:
		table_bytes(table, cell, vma->swapped_bytes, map->bytes);
		break;
	case COLUMN_UNTOUCHED:
		table_bytes(table, cell, vma_untouched(vma), map->bytes);
		break;
	case COLUMN_HUGE:
		table_bytes(table, cell, vma->huge_bytes, map->bytes);
		break;
	case COLUMN_BAR:
		table_set(table, cell,
			  term_bar(term, 12, vma->resident_bytes, vma->swapped_bytes, vma_size(vma),
				   vma_size(vma))
				  .text);
		break;
	case COLUMN_FLAGS:
		set_flags(table, cell, vma, flags_known);
		break;
	case COLUMN_NAME:
		table_set(table, cell, vma->name);
		break;
	}
}

static int show_totals(const struct map *map, const struct term *term,
		       const struct map_total *totals)
{
	static const struct table_column columns[] = {
		{ .title = "KIND" },
		{ .title = "MAPPINGS", .right = true },
		{ .title = "SIZE", .right = true },
		{ .title = "RSS", .right = true },
		{ .title = "SWAP", .right = true },
		{ .title = "HUGE", .right = true },
		{ .title = "RESIDENT" },
	};
	struct map_total all = {};
	struct table *table;
	int r;

	table = table_new(term, columns, sizeof(columns) / sizeof(columns[0]));
	if (!table)
		return -ENOMEM;
	for (unsigned i = 0; i <= KIND_COUNT; i++) {
		const struct map_total *total = i < KIND_COUNT ? &totals[i] : &all;

		if (total->mappings == 0)
			continue;
		table_row(table);
		table_set(table, 0, i < KIND_COUNT ? memhint_kind_name(1u << i) : "total");
		table_colour(table, 0, i < KIND_COUNT ? kind_colour(1u << i) : TERM_BOLD);
		table_format(table, 1, "%zu", total->mappings);
		table_bytes(table, 2, total->size_bytes, map->bytes);
		table_bytes(table, 3, total->rss_bytes, map->bytes);
		table_bytes(table, 4, total->swap_bytes, map->bytes);
		table_bytes(table, 5, total->huge_bytes, map->bytes);
		table_set(table, 6,
			  term_bar(term, 24, total->rss_bytes, total->swap_bytes, total->size_bytes,
				   total->size_bytes)
				  .text);
		if (i < KIND_COUNT) {
			all.mappings += total->mappings;
			all.size_bytes += total->size_bytes;
			all.rss_bytes += total->rss_bytes;
			all.swap_bytes += total->swap_bytes;
			all.huge_bytes += total->huge_bytes;
		}
	}
	r = table_print(table, stdout);
	table_free(table);
	return r;
}

static int show_tables(const struct map *map, const struct memhint_map *snapshot,
		       const struct memhint_vma *const *vmas, size_t count,
		       const struct map_total *totals)
{
	bool flags_known = memhint_map_flags_known(snapshot);
	struct table *table;
	struct term term;
	int r;

	term_init(&term, STDOUT_FILENO);
	table = columns_table(&map->columns, &term, all_columns);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		table_row(table);
		for (size_t cell = 0; cell < map->columns.count; cell++)
			show_cell(map, &term, table, cell, vmas[i], flags_known);
	}
	r = table_print(table, stdout);
	table_free(table);
	if (r < 0)
		return r;
	putchar('\n');
	r = show_totals(map, &term, totals);
	if (r == 0 && term.is_terminal)
		printf("%s%s resident  %s swapped out  %s never touched%s\n",
		       term_colour(&term, TERM_DIM), term_bar_resident(&term),
		       term_bar_swapped(&term), term_bar_empty(&term),
		       term_colour(&term, TERM_RESET));
	return r;
}

static void json_vma(struct json *json, const struct memhint_vma *vma, bool flags_known)
{
	const char *name;
	unsigned from = 0;

	json_object(json, NULL);
	json_address(json, "start", vma->start);
	json_address(json, "end", vma->end);
	json_string(json, "permissions", vma_permissions(vma->flags).text);
	json_string(json, "kind", memhint_kind_name(vma->kind));
	json_address(json, "offset", vma->offset);
	json_u64(json, "size_bytes", vma_size(vma));
	json_u64(json, "rss_bytes", vma->resident_bytes);
	json_u64(json, "swap_bytes", vma->swapped_bytes);
	json_u64(json, "huge_bytes", vma->huge_bytes);
	if (flags_known) {
		json_array(json, "flags");
		while ((name = vma_flag_next(vma->flags, &from)))
			json_string(json, NULL, name);
		json_end(json);
	} else {
		json_null(json, "flags");
	}
	json_string(json, "name", vma->name);
	json_end(json);
}

static void show_json(const struct target *target, const struct memhint_map *snapshot,
		      const struct memhint_vma *const *vmas, size_t count,
		      const struct map_total *totals)
{
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.map/1");
	json_i64(&json, "pid", memhint_process_pid(target->process));
	json_format(&json, "id", "%d:%" PRIu64, memhint_process_pid(target->process),
		    memhint_process_id(target->process));
	json_string(&json, "comm", target->stat.comm);
	json_string(&json, "reader", memhint_reader_name(memhint_map_reader(snapshot)));
	json_string(&json, "pages_reader",
		    memhint_pages_reader_name(memhint_map_pages_reader(snapshot)));
	json_bool(&json, "flags_known", memhint_map_flags_known(snapshot));
	json_array(&json, "mappings");
	for (size_t i = 0; i < count; i++)
		json_vma(&json, vmas[i], memhint_map_flags_known(snapshot));
	json_end(&json);
	json_object(&json, "totals");
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		if (totals[i].mappings == 0)
			continue;
		json_object(&json, memhint_kind_name(1u << i));
		json_u64(&json, "mappings", totals[i].mappings);
		json_u64(&json, "size_bytes", totals[i].size_bytes);
		json_u64(&json, "rss_bytes", totals[i].rss_bytes);
		json_u64(&json, "swap_bytes", totals[i].swap_bytes);
		json_u64(&json, "huge_bytes", totals[i].huge_bytes);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
}

/* The mappings that were asked for, sorted, and the sums over them. */
static int choose(const struct map *map, const struct memhint_map *snapshot,
		  const struct memhint_vma ***ret_vmas, size_t *ret_count, struct map_total *totals)
{
	_cleanup_free_ const struct memhint_vma **vmas = NULL;
	size_t count = 0, all = memhint_map_count(snapshot);

	vmas = calloc(all + 1, sizeof(const struct memhint_vma *));
	if (!vmas)
		return -ENOMEM;
	for (size_t i = 0; i < all; i++) {
		const struct memhint_vma *vma = memhint_map_get(snapshot, i);

		if ((map->kinds && !(vma->kind & map->kinds)) ||
		    (map->pattern && !match_path(map->pattern, vma->name)))
			continue;
		vmas[count++] = vma;
		for (unsigned k = 0; k < KIND_COUNT; k++)
			if (vma->kind == 1u << k) {
				totals[k].mappings++;
				totals[k].size_bytes += vma_size(vma);
				totals[k].rss_bytes += vma->resident_bytes;
				totals[k].swap_bytes += vma->swapped_bytes;
				totals[k].huge_bytes += vma->huge_bytes;
			}
	}
	qsort_r(vmas, count, sizeof(const struct memhint_vma *), compare_vmas,
		(void *)&map->columns);
	*ret_vmas = take_pointer(vmas);
	*ret_count = count;
	return 0;
}

static int show(const struct map *map, const struct target *target)
{
	_cleanup_(memhint_map_closep) struct memhint_map *snapshot = NULL;
	_cleanup_free_ const struct memhint_vma **vmas = NULL;
	struct map_total totals[KIND_COUNT] = {};
	struct memhint_map_options options = {
		.size = sizeof(options),
		.want = MEMHINT_MAP_NAMES | MEMHINT_MAP_PAGES |
			(map->need_flags ? MEMHINT_MAP_FLAGS : 0),
	};
	size_t count;
	int r;

	if (memhint_process_is_stopped(target->process))
		options.want |= MEMHINT_MAP_UNPACED;
	r = memhint_map_open(target->process, &options, &snapshot);
	if (r < 0)
		return target_failed(target, r);
	log_verbose("%zu mappings read by %s, pages by %s; flags %s", memhint_map_count(snapshot),
		    memhint_reader_name(memhint_map_reader(snapshot)),
		    memhint_pages_reader_name(memhint_map_pages_reader(snapshot)),
		    memhint_map_flags_known(snapshot) ? "known" : "not known; --flags would look");
	r = choose(map, snapshot, &vmas, &count, totals);
	if (r < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	if (map->json) {
		show_json(target, snapshot, vmas, count, totals);
	} else if (count == 0) {
		log_error("process %d (%s) has no such mapping",
			  memhint_process_pid(target->process), target->stat.comm);
		return EXIT_FAILURE;
	} else if (show_tables(map, snapshot, vmas, count, totals) < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int read_options(struct map *map, const struct verb *verb, int argc, char **argv)
{
	struct options options;
	int id, r = 0;

	options_init(&options, verb, argc, argv);
	while (r == 0 && (id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status == EXIT_SUCCESS ? -1 : options.exit_status;
		switch (id) {
		case OPTION_JSON:
			map->json = true;
			break;
		case OPTION_BYTES:
			map->bytes = true;
			break;
		case OPTION_FLAGS:
			map->need_flags = true;
			break;
		case OPTION_MAPPING:
			map->pattern = options.argument;
			break;
		case OPTION_ONLY:
			r = kinds_parse(&options, &map->kinds);
			break;
		case OPTION_SORT:
			r = columns_sort_by(&map->columns, &options, all_columns);
			break;
		case OPTION_COLUMNS:
			r = columns_choose(&map->columns, &options, all_columns);
			break;
		default:
			r = targets_option(&map->targets, &options, id);
		}
	}
	if (r == 0)
		r = targets_arguments(&map->targets, options_rest(&options));
	if (r == 0 && targets_are_empty(&map->targets)) {
		log_error("which process? map needs a PID, or a pattern that one process matches");
		r = EXIT_USAGE;
	}
	return r;
}

static int run_map(const struct verb *verb, int argc, char **argv)
{
	_cleanup_(target_list_done) struct target_list list = {};
	struct map map = {};
	int r;

	columns_init(&map.columns, all_columns, COLUMN_START);
	r = read_options(&map, verb, argc, argv);
	if (r == 0)
		r = targets_open(&map.targets, &list);
	targets_done(&map.targets);
	if (r != 0)
		return r < 0 ? EXIT_SUCCESS : r;
	if (list.count > 1) {
		log_error("map shows one process, and %zu match: %d (%s), %d (%s)%s", list.count,
			  memhint_process_pid(list.targets[0].process), list.targets[0].stat.comm,
			  memhint_process_pid(list.targets[1].process), list.targets[1].stat.comm,
			  list.count > 2 ? " and more" : "");
		return EXIT_USAGE;
	}
	return show(&map, &list.targets[0]);
}

static const struct option_group map_options = {
	.title = "What to show",
	.options =
		(const struct option_text[]){
			{ "only", 'O', OPTION_ONLY, "KINDS",
			  "these kinds of mappings, separated by commas: anon, heap, stack, file,\n"
			  "shmem, code, special" },
			{ "mapping", 'm', OPTION_MAPPING, "PATTERN",
			  "mappings whose name, or the last part of it, matches: '*.so*'" },
			{ "sort", 's', OPTION_SORT, "COLUMN",
			  "by this column: sizes from the largest down, the rest upwards; with a\n"
			  "minus before it the other way round (default: start)" },
			{ "columns", 'o', OPTION_COLUMNS, "LIST",
			  "these columns, separated by commas; with a plus before the list, these\n"
			  "beside those that are shown anyway" },
			{ "bytes", 'b', OPTION_BYTES, NULL, "exact sizes" },
			{ "flags", 'f', OPTION_FLAGS, NULL,
			  "find out which mappings are locked, droppable and so on, even where that\n"
			  "means reading smaps, which is slow and holds the process up" },
			{} },
};

const struct verb verb_map = {
	.name = "map",
	.arguments = "PID[:INODE]",
	.summary = "one process's address space, and what of it is resident",
	.description =
		"Shows every mapping of a process with what is resident, what is swapped out and what was\n"
		"never touched, and the sums of each kind. Looking does not hold the process up: its pages\n"
		"are read in pieces.",
	.groups = (const struct option_group *const[]){ &target_options, &map_options,
							&common_options, NULL },
	.columns = all_columns,
	.examples =
		"  # the whole address space of process 1234\n"
		"  memhint map 1234\n"
		"  # its ten largest pieces of anonymous memory\n"
		"  memhint map 1234 --only anon,heap --sort rss | head -11\n"
		"  # what is out, and where\n"
		"  memhint map --comm redis-server --sort swap --columns start,end,kind,swap,bar,name\n"
		"  # for a program to read\n"
		"  memhint map 1234 --json\n",
	.exit_status = "  No mapping matches --only and --mapping: 1. Several processes match: 2.",
	.run = run_map,
};
