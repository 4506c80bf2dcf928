// SPDX-License-Identifier: GPL-2.0-or-later
// A small program with a large memory: holds records of orders and answers questions about them.
//
// usage: records.js MEGABYTES
//
// On standard output: "loading PERCENT" while it loads, "ready RECORDS" once; then for each line on
// standard input one answer. It ends when its input ends.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const readline = require('readline');

const ITEM = ('armchair bicycle blanket bookshelf bottle candle carpet clock cupboard curtain desk drill ' +
	'fridge hammer jacket kettle ladder lamp mirror notebook oven pillow ruler saw scarf shovel ' +
	'sofa stool table teapot toaster towel umbrella vase wallet').split(' ');
const CITY = 'Hamburg Lyon Torino Porto Gdansk Leiden Aarhus Brno Lagos Osaka Quito Bergen Graz Ghent'.split(' ');
const STATE = ['ordered', 'paid', 'packed', 'sent', 'delivered', 'returned'];

// Numbers that look random and are the same in every run.
function generator(seed) {
	return (limit) => {
		seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
		return Math.floor(seed / 4294967296 * limit);
	};
}

function say(...words) {
	fs.writeSync(1, words.join(' ') + '\n');
}

function record(random, number) {
	const lines = [];
	for (let i = 0; i < 3; i++)
		lines.push({ item: ITEM[random(ITEM.length)], count: 1 + random(9), cents: 100 + random(99900) });
	return {
		number,
		city: CITY[random(CITY.length)],
		state: STATE[random(STATE.length)],
		mail: `customer${random(1000000)}@example.org`,
		date: `20${10 + random(15)}-${1 + random(12)}-${1 + random(28)}`,
		lines,
	};
}

function load(wantedBytes) {
	const orders = [], random = generator(20201015);
	let percent = -1;
	for (;;) {
		for (let i = 0; i < 5000; i++)
			orders.push(record(random, orders.length));
		const done = Math.min(100, Math.floor(process.memoryUsage().heapUsed * 100 / wantedBytes));
		if (done === percent)
			continue;
		if (done === 100) {
			// Garbage does not count.
			global.gc();
			if (process.memoryUsage().heapUsed >= wantedBytes)
				return orders;
			continue;
		}
		percent = done;
		say('loading', percent);
	}
}

// The value of a hundred orders, always the same ones, in cents.
function ask(orders) {
	const random = generator(1);
	let cents = 0;
	for (let i = 0; i < 100; i++)
		for (const line of orders[random(orders.length)].lines)
			cents += line.count * line.cents;
	return cents;
}

function digest(orders) {
	const sha = crypto.createHash('sha256');
	for (let i = 0; i < orders.length; i += 100)
		sha.update(JSON.stringify(orders.slice(i, i + 100)));
	return sha.digest('hex');
}

const orders = load(Number(process.argv[2]) * 1048576);
say('ready', orders.length);
readline.createInterface({ input: process.stdin }).on('line', (line) => {
	if (line === 'ask')
		say('answer', ask(orders));
	else if (line === 'digest')
		say('digest', digest(orders));
});
