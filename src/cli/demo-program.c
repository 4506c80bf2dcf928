/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo-program.h"

#include "cleanup.h"
#include "clock.h"
#include "demo-janitor.h"
#include "demo-redis.h"
#include "demo-scripts.h"
#include "demo-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDIS_KEYS_PER_STEP 10000
#define ARGUMENTS_MAX 24

static const struct program_type {
	const char *command;
	const char *package;
	const char *script_name;
	const char *script;
} types[] = {
	[PROGRAM_REDIS] = { "redis-server", "redis-server", NULL, NULL },
	[PROGRAM_PYTHON] = { "python3", "python3", "records.py", demo_records_py },
	[PROGRAM_NODE] = { "node", "nodejs", "records.js", demo_records_js },
};

struct program {
	enum program_kind kind;
	const struct program_setup *setup;
	pid_t pid;
	int pidfd;
	struct stream pipe;   /* its standard input and output */
	struct stream socket; /* Redis: where it answers */
	bool is_ready;	      /* Redis: it takes commands */
	uint64_t random;      /* Redis: where the generator of its records stands */
	uint64_t records;     /* loaded so far */
	unsigned percent;
	char data[64];
	char answer[32];
	char words[256];
};

const char *program_command(enum program_kind kind)
{
	return types[kind].command;
}

const char *program_package(enum program_kind kind)
{
	return types[kind].package;
}

bool program_is_installed(enum program_kind kind)
{
	const char *path = getenv("PATH");

	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		int length = (int)strcspn(path, ":");
		char file[PATH_MAX];

		/* Nothing between two colons is this directory, as for execvp(). */
		snprintf(file, sizeof(file), "%.*s/%s", length ? length : 1, length ? path : ".",
			 types[kind].command);
		if (access(file, X_OK) == 0)
			return true;
		if (!path[length])
			return false;
		path += length + 1;
	}
}

/* What the child needs to become the program. */
struct launch {
	const char *folder;
	const char *log;
	char *arguments[ARGUMENTS_MAX];
	int gate; /* to the parent: wait here; tell here why not */
	int input;
	int output;
};

static int become_program(const struct launch *launch)
{
	_cleanup_close_ int log = -1, score = -1;
	sigset_t none;
	char go;

	/* Killed with the parent; and before anybody else, should memory get scarce. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (score >= 0 && write(score, "1000", 4) < 0)
		close(take_fd(&score));
	/* Ctrl-C is for the demo, which ends the programs in order. */
	setpgid(0, 0);
	/* The parent opens the gate when the janitor knows; that it is gone reads as an end, too. */
	if (read(launch->gate, &go, 1) != 1)
		return -ECANCELED;
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(launch->folder) < 0)
		return -errno;
	log = open(launch->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || dup2(launch->input, STDIN_FILENO) < 0 ||
	    dup2(launch->output, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		return -errno;
	execvp(launch->arguments[0], launch->arguments);
	return -errno;
}

/* Forks, makes the child known to the janitor, lets it go on, and waits until it is the program. */
static int start_process(struct program *program, struct launch *launch)
{
	_cleanup_close_ int gate = -1;
	int gates[2], r, error;
	pid_t parent = getpid();
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gates) < 0)
		return -errno;
	gate = gates[0];
	launch->gate = gates[1];
	program->pid = fork();
	if (program->pid == 0) {
		close(gates[0]);
		error = getppid() == parent ? become_program(launch) : -ECANCELED;
		if (write(launch->gate, &error, sizeof(error)) < 0)
			_exit(126);
		_exit(127);
	}
	r = program->pid < 0 ? -errno : 0;
	close(gates[1]);
	if (r < 0)
		return r;
	program->pidfd = (int)syscall(SYS_pidfd_open, program->pid, 0);
	if (program->pidfd < 0)
		return -errno;
	r = janitor_adopt(program->setup->janitor, program->pidfd);
	if (r < 0)
		return r;
	if (send(gate, "", 1, MSG_NOSIGNAL) < 0)
		return -errno;
	do
		n = read(gate, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	/* An end without a word: exec closed it. */
	return n == sizeof(error) ? error : 0;
}

static int write_script(const struct program_setup *setup, const struct program_type *type)
{
	_cleanup_free_ char *path = NULL;
	FILE *file;
	int r;

	if (asprintf(&path, "%s/%s", setup->folder, type->script_name) < 0)
		return -ENOMEM;
	file = fopen(path, "wxe");
	if (!file)
		return -errno;
	r = fputs(type->script, file) < 0 ? -EIO : 0;
	return fclose(file) != 0 ? -errno : r;
}

/* The texts that the command lines are made of; they have to last until exec. */
struct texts {
	char megabytes[24];
	char heap[48];
};

static int make_command(struct program *program, struct launch *launch, struct texts *texts)
{
	const struct program_type *type = &types[program->kind];
	const struct program_setup *setup = program->setup;
	uint64_t megabytes = setup->script_bytes >> 20;

	snprintf(texts->megabytes, sizeof(texts->megabytes), "%" PRIu64, megabytes);
	snprintf(texts->heap, sizeof(texts->heap), "--max-old-space-size=%" PRIu64,
		 megabytes * 2 + 512);
	char *const commands[PROGRAM_KINDS][ARGUMENTS_MAX] = {
		/* No network, nothing written to disk, DIGEST allowed on the socket. */
		[PROGRAM_REDIS] = { "redis-server", "--port",	  "0",
				    "--unixsocket", "redis.sock", "--unixsocketperm",
				    "700",	    "--save",	  "",
				    "--appendonly", "no",	  "--daemonize",
				    "no",	    "--logfile",  "",
				    "--loglevel",   "notice",	  "--enable-debug-command",
				    "local",	    NULL },
		[PROGRAM_PYTHON] = { "python3", "-I", "-B", "records.py", texts->megabytes, NULL },
		[PROGRAM_NODE] = { "node", "--expose-gc", texts->heap, "records.js",
				   texts->megabytes, NULL },
	};
	memcpy(launch->arguments, commands[program->kind], sizeof(launch->arguments));
	return type->script ? write_script(setup, type) : 0;
}

int program_start(enum program_kind kind, const struct program_setup *setup,
		  struct program **ret_program)
{
	_cleanup_close_ int child_input = -1, child_output = -1;
	_cleanup_free_ char *log = NULL;
	struct program *program = calloc(1, sizeof(*program));
	struct launch launch = { .folder = setup->folder };
	int input[2], output[2], r;
	struct texts texts;

	if (!program)
		return -ENOMEM;
	program->kind = kind;
	program->setup = setup;
	program->pidfd = -1;
	program->pipe.in = program->pipe.out = program->socket.in = program->socket.out = -1;
	program->random = 20201015;
	if (asprintf(&log, "%s/%s.log", setup->folder, types[kind].command) < 0) {
		r = -ENOMEM;
		goto fail;
	}
	launch.log = log;
	r = make_command(program, &launch, &texts);
	if (r < 0)
		goto fail;
	if (pipe2(input, O_CLOEXEC) < 0) {
		r = -errno;
		goto fail;
	}
	child_input = input[0];
	if (pipe2(output, O_CLOEXEC) < 0) {
		r = -errno;
		close(input[1]);
		goto fail;
	}
	child_output = output[1];
	stream_init(&program->pipe, output[0], input[1], setup->cancel);
	launch.input = child_input;
	launch.output = child_output;
	r = start_process(program, &launch);
	if (r < 0)
		goto fail;
	*ret_program = program;
	return 0;

fail:
	program_free(program);
	return r;
}

void program_free(struct program *program)
{
	if (!program)
		return;
	if (program->pid > 0) {
		/* A child that was not waited for keeps its number, so the number is safe here. */
		kill(program->pid, SIGKILL);
		while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	stream_done(&program->pipe);
	stream_done(&program->socket);
	if (program->pidfd >= 0)
		close(program->pidfd);
	free(program);
}

/* Remembers a line of the log, in case that it was the last. */
static void remember(struct program *program, const char *line)
{
	snprintf(program->words, sizeof(program->words), "%s", line);
}

/* Reads the log up to the line that says that the socket is open. */
static int redis_step_start(struct program *program)
{
	char path[64], *line;
	int fd, r;

	for (;;) {
		r = stream_line(&program->pipe, false, &line);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		remember(program, line);
		if (strstr(line, "eady to accept connections"))
			break;
	}
	/* The folder's own name may be longer than the address of a socket. */
	snprintf(path, sizeof(path), "/proc/%d/cwd/redis.sock", (int)program->pid);
	fd = redis_connect(path);
	if (fd < 0)
		return fd;
	stream_init(&program->socket, fd, fd, program->setup->cancel);
	r = redis_load_begin(&program->socket);
	program->is_ready = r == 0;
	return r;
}

static int redis_step(struct program *program)
{
	uint64_t keys = program->setup->redis_keys, count = keys - program->records;
	int r;

	if (!program->is_ready)
		return redis_step_start(program);
	if (count > REDIS_KEYS_PER_STEP)
		count = REDIS_KEYS_PER_STEP;
	r = redis_load(&program->socket, program->records, count, &program->random);
	if (r < 0)
		return r;
	program->records += count;
	program->percent = (unsigned)(program->records * 100 / keys);
	if (program->records < keys)
		return 0;
	r = redis_load_end(&program->socket, keys);
	return r < 0 ? r : 1;
}

static int script_step(struct program *program)
{
	char *line;
	int r;

	for (;;) {
		r = stream_line(&program->pipe, false, &line);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		if (sscanf(line, "loading %u", &program->percent) == 1)
			continue;
		if (sscanf(line, "ready %" SCNu64, &program->records) == 1)
			return 1;
		return -EPROTO;
	}
}

int program_load(struct program *program)
{
	int r = program->kind == PROGRAM_REDIS ? redis_step(program) : script_step(program);

	if (r > 0)
		program->percent = 100;
	return r;
}

int program_load_fd(const struct program *program)
{
	if (program->kind == PROGRAM_REDIS && program->is_ready)
		return -1;
	return program->pipe.in;
}

unsigned program_loaded_percent(const struct program *program)
{
	return program->percent;
}

/* "1234567" as "1,234,567". */
static const char *grouped(uint64_t number, char text[32])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *out = text;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return text;
}

const char *program_data(struct program *program)
{
	char number[32];

	if (program->kind == PROGRAM_REDIS)
		snprintf(program->data, sizeof(program->data), "%s keys of %d bytes",
			 grouped(program->records, number), REDIS_VALUE_BYTES);
	else
		snprintf(program->data, sizeof(program->data), "%s %s",
			 grouped(program->records, number),
			 program->kind == PROGRAM_PYTHON ? "dictionaries" : "objects");
	return program->data;
}

/* One question to a script and the one word that answers it. */
static int script_ask(struct program *program, const char *question, const char *reply,
		      char *ret_word, size_t size)
{
	size_t length = strlen(reply), word;
	char *line;
	int r = stream_send(&program->pipe, question, strlen(question));

	if (r == 0)
		r = stream_line(&program->pipe, true, &line);
	if (r != 0)
		return r;
	if (strncmp(line, reply, length) != 0)
		return -EPROTO;
	word = strlen(line + length);
	if (word >= size)
		return -EPROTO;
	memcpy(ret_word, line + length, word + 1);
	return 0;
}

int program_ask(struct program *program, const char **ret_answer, uint64_t *ret_usec)
{
	uint64_t before = clock_usec(), sum = 0;
	int r;

	if (program->kind == PROGRAM_REDIS) {
		r = redis_ask(&program->socket, program->setup->redis_keys, &sum);
		snprintf(program->answer, sizeof(program->answer), "%" PRIu64, sum);
	} else {
		r = script_ask(program, "ask\n", "answer ", program->answer,
			       sizeof(program->answer));
	}
	if (r < 0)
		return r;
	*ret_usec = clock_usec() - before;
	*ret_answer = program->answer;
	return 0;
}

int program_digest(struct program *program, char ret_digest[PROGRAM_DIGEST_MAX])
{
	if (program->kind == PROGRAM_REDIS)
		return redis_digest(&program->socket, ret_digest, PROGRAM_DIGEST_MAX);
	return script_ask(program, "digest\n", "digest ", ret_digest, PROGRAM_DIGEST_MAX);
}

const char *program_name(const struct program *program)
{
	return types[program->kind].command;
}

pid_t program_pid(const struct program *program)
{
	return program->pid;
}

int program_pidfd(const struct program *program)
{
	return program->pidfd;
}

const char *program_last_words(struct program *program)
{
	_cleanup_fclose_ FILE *log = NULL;
	_cleanup_free_ char *path = NULL;
	char line[sizeof(program->words)], *rest;

	/* What is still in its pipe, then what it wrote to stderr. */
	while (program->kind == PROGRAM_REDIS && stream_line(&program->pipe, false, &rest) == 0)
		remember(program, rest);
	if (asprintf(&path, "%s/%s.log", program->setup->folder, types[program->kind].command) >= 0)
		log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			remember(program, line);
	}
	return program->words;
}
