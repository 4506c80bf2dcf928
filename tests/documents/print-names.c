/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints every word that the library has for something, as "noun word", for tests of the documents. */
#include <memhint/memhint.h>

#include <stdio.h>
#include <string.h>

static int is_known(const char *name)
{
	return name && strcmp(name, "unknown") != 0;
}

int main(void)
{
	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++)
		printf("skip %s\n", memhint_skip_name((enum memhint_skip)i));
	for (int i = 0; i < MEMHINT_FEATURE_COUNT; i++)
		printf("feature %s\n", memhint_feature_name((enum memhint_feature)i));
	for (int i = 0; i < 31; i++)
		if (is_known(memhint_kind_name((enum memhint_kind)(1 << i))))
			printf("kind %s\n", memhint_kind_name((enum memhint_kind)(1 << i)));
	for (int i = 0; i < 16; i++)
		if (is_known(memhint_reader_name((enum memhint_reader)i)))
			printf("reader %s\n", memhint_reader_name((enum memhint_reader)i));
	for (int i = 0; i < 16; i++)
		if (is_known(memhint_pages_reader_name((enum memhint_pages_reader)i)))
			printf("pages_reader %s\n",
			       memhint_pages_reader_name((enum memhint_pages_reader)i));
	for (int i = 0; i < 256; i++)
		if (memhint_advice_name(i))
			printf("%s %s\n", memhint_advice_is_remote(i) ? "remote_advice" : "advice",
			       memhint_advice_name(i));
	for (int i = 0; i < 16; i++)
		if (memhint_guard_name((enum memhint_guard)i))
			printf("guard %s\n", memhint_guard_name((enum memhint_guard)i));
	for (int i = 0; i < 16; i++)
		if (memhint_via_name((enum memhint_via)i))
			printf("via %s\n", memhint_via_name((enum memhint_via)i));
	for (int i = 0; i < 16; i++)
		if (memhint_freeze_way_name((enum memhint_freeze_way)i))
			printf("freeze_way %s\n",
			       memhint_freeze_way_name((enum memhint_freeze_way)i));
	for (int i = 0; i < 16; i++)
		if (is_known(memhint_cookie_kind_name((enum memhint_cookie_kind)i)))
			printf("cookie_kind %s\n",
			       memhint_cookie_kind_name((enum memhint_cookie_kind)i));
	return 0;
}
