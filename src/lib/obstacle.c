/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "obstacle.h"

#include "uapi.h"

#define NONE MEMHINT_SKIP_COUNT

/* What the kernel never touches pages of. */
static enum memhint_skip no_pages(const struct memhint_vma *vma)
{
	if (vma->flags & MEMHINT_VMA_PFNMAP)
		return MEMHINT_SKIP_PFNMAP;
	if (vma->flags & MEMHINT_VMA_IO)
		return MEMHINT_SKIP_IO;
	return NONE;
}

/* Advice that moves pages, or gives them up. */
static enum memhint_skip page_obstacle(const struct memhint_vma *vma, bool may_be_locked)
{
	if (!(vma->flags & (MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_EXEC)))
		return MEMHINT_SKIP_NO_ACCESS;
	if (vma->flags & MEMHINT_VMA_DROPPABLE)
		return MEMHINT_SKIP_DROPPABLE;
	if (vma->flags & MEMHINT_VMA_HUGETLB)
		return MEMHINT_SKIP_HUGETLB;
	if ((vma->flags & MEMHINT_VMA_LOCKED) && !may_be_locked)
		return MEMHINT_SKIP_LOCKED;
	return no_pages(vma);
}

/* The kernel makes no huge pages where NOHUGEPAGE says so; on many kernels it says so of any MAP_STACK. */
static enum memhint_skip collapse_obstacle(const struct memhint_vma *vma)
{
	enum memhint_skip reason = page_obstacle(vma, true);

	return reason == NONE && vma->flags & MEMHINT_VMA_NOHUGEPAGE ? MEMHINT_SKIP_UNSUITABLE
								     : reason;
}

/* Pages that are made by reading or writing them. */
static enum memhint_skip populate_obstacle(const struct memhint_vma *vma, uint32_t access)
{
	/* They are for the program to make, which is held by then (userfaultfd(2)). */
	if (vma->flags & MEMHINT_VMA_UFFD)
		return MEMHINT_SKIP_UNSUITABLE;
	return vma->flags & access ? no_pages(vma) : MEMHINT_SKIP_NO_ACCESS;
}

/* The hole that REMOVE punches is one in a file. */
static enum memhint_skip remove_obstacle(const struct memhint_vma *vma)
{
	if (vma->flags & MEMHINT_VMA_LOCKED)
		return MEMHINT_SKIP_LOCKED;
	return vma->flags & MEMHINT_VMA_SHARED ? NONE : MEMHINT_SKIP_UNSUITABLE;
}

/* Pages that are alike become one: of private memory, huge pages of hugetlbfs excepted. */
static enum memhint_skip merge_obstacle(const struct memhint_vma *vma)
{
	if (vma->flags & MEMHINT_VMA_MERGEABLE)
		return MEMHINT_SKIP_ALREADY;
	if (vma->flags & MEMHINT_VMA_HUGETLB)
		return MEMHINT_SKIP_HUGETLB;
	if (vma->flags & MEMHINT_VMA_DROPPABLE)
		return MEMHINT_SKIP_DROPPABLE;
	if (vma->flags & (MEMHINT_VMA_SHARED | MEMHINT_VMA_MIXEDMAP))
		return MEMHINT_SKIP_UNSUITABLE;
	return no_pages(vma);
}

static enum memhint_skip dump_obstacle(const struct memhint_vma *vma, bool flags_known)
{
	if (flags_known && !(vma->flags & MEMHINT_VMA_DONTDUMP))
		return MEMHINT_SKIP_ALREADY;
	if (vma->flags & MEMHINT_VMA_DROPPABLE)
		return MEMHINT_SKIP_DROPPABLE;
	return no_pages(vma);
}

static enum memhint_skip flag_obstacle(const struct memhint_vma *vma, uint32_t flag)
{
	if (vma->flags & MEMHINT_VMA_HUGETLB && flag != MEMHINT_VMA_DONTDUMP)
		return MEMHINT_SKIP_HUGETLB;
	return vma->flags & flag ? MEMHINT_SKIP_ALREADY : NONE;
}

/* Source: madvise(2), mm/madvise.c, mm/ksm.c. */
enum memhint_skip obstacle_of(const struct memhint_vma *vma, int advice, bool flags_known)
{
	bool is_private_anon = vma->kind & MEMHINT_KIND_PRIVATE;

	if (vma->kind == MEMHINT_KIND_SPECIAL)
		return MEMHINT_SKIP_SPECIAL;
	switch (advice) {
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_DONTNEED:
		return page_obstacle(vma, false);
	case MADV_WILLNEED:
		return page_obstacle(vma, true);
	case MADV_COLLAPSE:
		return collapse_obstacle(vma);
	case MADV_FREE:
		return is_private_anon ? page_obstacle(vma, false) : MEMHINT_SKIP_UNSUITABLE;
	case MADV_REMOVE:
		return remove_obstacle(vma);
	case MADV_WIPEONFORK:
		return is_private_anon ? NONE : MEMHINT_SKIP_UNSUITABLE;
	case MADV_KEEPONFORK:
		return vma->flags & MEMHINT_VMA_DROPPABLE ? MEMHINT_SKIP_DROPPABLE : NONE;
	case MADV_DOFORK:
		return vma->flags & MEMHINT_VMA_IO ? MEMHINT_SKIP_IO : NONE;
	case MADV_MERGEABLE:
		return merge_obstacle(vma);
	case MADV_UNMERGEABLE:
		return flags_known && !(vma->flags & MEMHINT_VMA_MERGEABLE) ? MEMHINT_SKIP_ALREADY
									    : NONE;
	case MADV_HUGEPAGE:
		return flag_obstacle(vma, MEMHINT_VMA_HUGEPAGE);
	case MADV_NOHUGEPAGE:
		return flag_obstacle(vma, MEMHINT_VMA_NOHUGEPAGE);
	case MADV_DONTDUMP:
		return flag_obstacle(vma, MEMHINT_VMA_DONTDUMP);
	case MADV_DODUMP:
		return dump_obstacle(vma, flags_known);
	case MADV_POPULATE_READ:
		return populate_obstacle(vma,
					 MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_EXEC);
	case MADV_POPULATE_WRITE:
		return populate_obstacle(vma, MEMHINT_VMA_WRITE);
	default: /* only how a file is read ahead: the kernel takes it anywhere */
		return NONE;
	}
}
