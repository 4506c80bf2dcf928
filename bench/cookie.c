/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one reading of the state of an address space costs: exact by what a handle keeps, by either way,
 * exact from nothing, and the fingerprint of targets of several sizes. Interleaved; each reading is timed by
 * itself, so what the clock takes ("clock_usec") is in it.
 */
#include "bench.h"

#include "bpf-door.h"
#include "child.h"
#include "cookie.h"

#include <memhint/memhint.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull

/* A target with some number of mappings, those of every process included. */
struct scene {
	struct child child;
	struct memhint_process *process;
	size_t mappings;
	struct bpf_room_watch *watches[BPF_ROOM_WAYS];
};

static const struct bpf_room *room;

static void map_pages(size_t count)
{
	char *block = mmap(NULL, (count + 1) * P, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(block != MAP_FAILED, "mmap");
	for (size_t i = 0; i < count; i += 2)
		need(mprotect(block + i * P, P, PROT_NONE) == 0, "mprotect");
}

static void set_up_30(struct child_shared *shared)
{
}

static void set_up_1000(struct child_shared *shared)
{
	map_pages(970);
}

static void set_up_20000(struct child_shared *shared)
{
	map_pages(19970);
}

static size_t count_mappings(struct memhint_process *process)
{
	struct memhint_map *map;
	size_t count;

	need(memhint_map_open(process, NULL, &map) == 0, "map");
	count = memhint_map_count(map);
	memhint_map_close(map);
	return count;
}

static void scene_begin(struct scene *scene, void (*set_up)(struct child_shared *shared))
{
	struct bpf_room_target target;

	child_start(&scene->child, set_up, NULL);
	need(memhint_process_open(P_PID, (id_t)scene->child.pid, &scene->process) == 0, "open");
	scene->mappings = count_mappings(scene->process);
	target = bpf_door_target(scene->process);
	for (enum bpf_room_way way = BPF_ROOM_RUN; room && way < BPF_ROOM_WAYS; way++)
		if (room->watch_load(way) == 0)
			need(room->watch_open(way, &target, &scene->watches[way]) == 0, "watch");
}

static void scene_end(struct scene *scene)
{
	for (size_t way = 0; way < BPF_ROOM_WAYS; way++)
		if (scene->watches[way])
			room->watch_close(scene->watches[way]);
	memhint_process_close(scene->process);
	child_end(&scene->child);
}

/* False: this does not work here. */
static bool by_handle(struct scene *scene)
{
	uint64_t cookie;

	return cookie_read(scene->process, MEMHINT_COOKIE_EXACT, &cookie) == 0;
}

static bool by_watch(struct scene *scene, enum bpf_room_way way)
{
	struct bpf_room_space space;

	return scene->watches[way] && room->watch_read(scene->watches[way], &space) == 0;
}

static bool by_run(struct scene *scene)
{
	return by_watch(scene, BPF_ROOM_RUN);
}

static bool by_iterator(struct scene *scene)
{
	return by_watch(scene, BPF_ROOM_SEQ);
}

static bool one_shot(struct scene *scene)
{
	uint64_t cookie;

	return memhint_cookie(P_PID, (id_t)scene->child.pid, &cookie) == 0 &&
	       memhint_cookie_kind(cookie) == MEMHINT_COOKIE_EXACT;
}

static bool fingerprint(struct scene *scene)
{
	uint64_t cookie;

	return cookie_read(scene->process, MEMHINT_COOKIE_FINGERPRINT, &cookie) == 0;
}

/* 20 mappings from the middle of all, as a look at what changed would have it. */
static int count_vma(const struct bpf_room_vma *vma, void *userdata)
{
	++*(size_t *)userdata;
	return 0;
}

static bool window(struct scene *scene)
{
	struct bpf_room_target target = bpf_door_target(scene->process);
	static uint64_t middle;
	struct bpf_room_space space;
	struct memhint_map *map;
	size_t count = 0;

	if (!room || room->load(BPF_ROOM_RUN) < 0)
		return false;
	if (!middle) {
		need(memhint_map_open(scene->process, NULL, &map) == 0, "map");
		middle = memhint_map_get(map, memhint_map_count(map) / 2)->start;
		memhint_map_close(map);
	}
	need(room->read(BPF_ROOM_RUN, &target, middle, 20, count_vma, &count, &space) == 0,
	     "window");
	need(count == 20, "window");
	return true;
}

int main(void)
{
	static struct scene scenes[3];
	static const struct {
		const char *name;
		size_t scene;
		int readings; /* a round */
		bool (*read)(struct scene *scene);
	} ways[] = {
		{ "exact_by_handle", 2, 200, by_handle },
		{ "bpf_program_run", 2, 200, by_run },
		{ "bpf_iterator", 2, 200, by_iterator },
		{ "exact_one_shot", 2, 100, one_shot },
		{ "fingerprint_30", 0, 100, fingerprint },
		{ "fingerprint_1000", 1, 10, fingerprint },
		{ "fingerprint_20000", 2, 1, fingerprint },
		{ "window_of_20_in_20000", 2, 100, window },
	};
	enum { WAYS = sizeof(ways) / sizeof(ways[0]) };
	struct samples samples[WAYS] = {}, clock = {};
	bool works[WAYS];

	if (bpf_door_open(&room) < 0)
		room = NULL;
	scene_begin(&scenes[0], set_up_30);
	scene_begin(&scenes[1], set_up_1000);
	scene_begin(&scenes[2], set_up_20000);
	for (size_t way = 0; way < WAYS; way++)
		works[way] =
			ways[way].read(&scenes[ways[way].scene]); /* loads what is loaded once */
	for (int round = 0; round < ROUNDS; round++)
		for (size_t way = 0; way < WAYS; way++)
			for (int i = 0; works[way] && i < ways[way].readings; i++) {
				double start = now_usec();

				need(ways[way].read(&scenes[ways[way].scene]), ways[way].name);
				samples_add(&samples[way], now_usec() - start);
				start = now_usec();
				samples_add(&clock, now_usec() - start);
			}
	printf("{\"benchmark\":\"cookie\",\"rounds\":%d,\"mappings\":[%zu,%zu,%zu],\"clock_usec\":%.2f",
	       ROUNDS, scenes[0].mappings, scenes[1].mappings, scenes[2].mappings,
	       samples_quantile(&clock, 0.5));
	samples_free(&clock);
	for (size_t way = 0; way < WAYS; way++) {
		if (!works[way]) {
			printf(",\"%s\":null", ways[way].name);
			continue;
		}
		printf(",\"%s\":{\"readings_a_round\":%d,\"median_usec\":%.2f,\"p99_usec\":%.2f}",
		       ways[way].name, ways[way].readings, samples_quantile(&samples[way], 0.5),
		       samples_quantile(&samples[way], 0.99));
		samples_free(&samples[way]);
	}
	printf("}\n");
	for (size_t i = 0; i < 3; i++)
		scene_end(&scenes[i]);
	return 0;
}
