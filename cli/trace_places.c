// SPDX-License-Identifier: MIT
/* Stacks by place, see trace_places.h. Twice as many as the kernel keeps. */
#include "trace_places.h"

#include <stdlib.h>
#include <string.h>

#define SPACE ((size_t)16384) /* a power of two */

struct sf_places_entry {
	struct sf_trace_place place;
	struct sf_where where;
};

/* Where it is, or where it is to be; there is always a free one. */
static size_t slot_of(const struct sf_places *places,
		      const struct sf_trace_place *place)
{
	uint64_t hash = (place->ip * 31 + place->caller) * 31 + place->pid;
	size_t slot;

	hash = (hash * 31 + place->call) * 0x9e3779b97f4a7c15;
	slot = (size_t)(hash >> 40) % SPACE;
	while (places->entry[slot] != NULL &&
	       memcmp(&places->entry[slot]->place, place, sizeof(*place)) != 0)
		slot = (slot + 1) % SPACE;
	return slot;
}

void sf_places_note(struct sf_places *places,
		    const struct sf_trace_place *place,
		    const struct sf_where *where)
{
	struct sf_places_entry **entry;

	if (places->entry == NULL)
		places->entry = calloc(SPACE, sizeof(struct sf_places_entry *));
	if (places->entry == NULL)
		return;
	entry = &places->entry[slot_of(places, place)];
	if (*entry == NULL && places->nr < SPACE / 2) {
		*entry = malloc(sizeof(**entry));
		places->nr += *entry != NULL;
	}
	if (*entry == NULL)
		return;
	(*entry)->place = *place;
	(*entry)->where = *where;
}

const struct sf_where *sf_places_find(const struct sf_places *places,
				      const struct sf_trace_place *place)
{
	const struct sf_places_entry *entry;

	if (places->entry == NULL)
		return NULL;
	entry = places->entry[slot_of(places, place)];
	return entry != NULL ? &entry->where : NULL;
}

void sf_places_free(struct sf_places *places)
{
	for (size_t i = 0; places->entry != NULL && i < SPACE; i++)
		free(places->entry[i]);
	free(places->entry);
	*places = (struct sf_places){ 0 };
}
