/** The restore menu and its steps, over an engine that does nothing. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import type {RestoreRequest} from '../../source/core/restore.js';
import type {KeptDraft} from '../../source/core/restore-handle.js';
import {createFakeEngine, type FakeEngine, fakeNow, type FakeOptions} from './helpers/fake-engine.js';
import {chars, keys, mount, type Mounted} from './helpers/mounted.js';

/** Files, with the cursor on the dump of orders, and the menu open. */
async function openMenu(options: FakeOptions, size = {}): Promise<{engine: FakeEngine; screen: Mounted}> {
	const engine = createFakeEngine({names: 64, ...options});
	const screen = mount(engine, {start: {files: 's3'}, now: () => fakeNow, ...size});
	await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
	await screen.type(keys.down, 'R');
	await screen.waitFor(text => text.includes('for practice'), 'the menu');
	return {engine, screen};
}

function called(engine: FakeEngine, name: string): readonly RestoreRequest[] {
	return engine.calls.filter(([one]) => one === name).map(([, request]) => request as RestoreRequest);
}

describe('a restore chosen in the console', () => {
	it('starts with the harmless choice, and Esc leaves everything as it is', async () => {
		const {engine, screen} = await openMenu({});
		await using _ = screen;
		assert.match(screen.text(), /▸ p {2}for practice/);
		await screen.type(keys.escape);
		assert.deepEqual(called(engine, 'restore'), []);
	});

	it('goes through where, what and plan; only the last Enter starts it', async () => {
		const {engine, screen} = await openMenu({});
		await using _ = screen;
		await screen.type('n');
		await screen.waitFor(text => text.includes('✓ free'), 'the server');
		assert.match(screen.text(), /new database +orders_restored/, 'orders exists there');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('order_lines'), 'the tree');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('Nothing on db1:5432 has been changed so far.'), 'the plan');
		assert.match(screen.text(), /1 create the missing roles reader/);
		assert.deepEqual(called(engine, 'restore'), []);
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('orders_restored: restored'), 'the outcome');
		const [request] = called(engine, 'restore');
		assert.deepEqual([request?.databases, request?.into, request?.replace], [['orders'], 'orders_restored', false]);
	});

	it('keeps the draft when the server does not answer, and asks again at Enter', async () => {
		const {screen} = await openMenu({unreachable: 1});
		await using _ = screen;
		await screen.type('n');
		await screen.waitFor(text => text.includes('connection refused'), 'the failure');
		await screen.type(keys.ctrlU, ...chars('mine'), keys.enter);
		await screen.waitFor(text => text.includes('order_lines'), 'the second step');
		await screen.type(keys.escape);
		await screen.waitFor(text => /new database +mine/.test(text), 'the first step again');
	});

	it('keeps what was begun when the terminal is lost, without secrets', async () => {
		const {engine, screen} = await openMenu({passphrase: 'right'});
		await screen.type('n');
		await screen.waitFor(text => text.includes('passphrase'), 'the question');
		await screen.type(...chars('right'), keys.enter);
		await screen.waitFor(text => text.includes('✓ free'), 'the server');
		await screen.type(keys.ctrlU, ...chars('mine'));
		await screen[Symbol.asyncDispose](); // the terminal is gone
		assert.equal((await screen.result).reason, 'hangup');
		const [drafts] = engine.calls.flatMap(([name, kept]) =>
			name === 'keepDrafts' ? [kept as readonly KeptDraft[]] : [],
		);
		assert.deepEqual(
			drafts?.map(({values, databases}) => [values['name'], databases]),
			[['mine', ['orders']]],
		);
		assert.doesNotMatch(JSON.stringify(drafts), /right/);
	});

	it('continues what an earlier console kept, and believes none of what the dump does not have', async () => {
		const first = await openMenu({});
		await first.screen.type('o');
		await first.screen.waitFor(text => text.includes('owner'), 'the server');
		await first.screen.type(keys.ctrlU, ...chars('orders'));
		await first.screen[Symbol.asyncDispose](); // the terminal is gone
		const [own] = first.engine.calls.flatMap(([name, kept]) =>
			name === 'keepDrafts' ? (kept as readonly KeptDraft[]) : [],
		);
		assert.ok(own);
		const kept = {
			...own,
			values: {...own.values, owner: 'app', compare: 'never', passphrase: 'x'},
			databases: ['orders', 'other'],
			schemas: ['nowhere'],
			objects: [
				{id: 2, schema: 'public', name: 'orders'},
				{id: 3, schema: 'public', name: 'another'},
			],
		};
		const {engine, screen} = await openMenu({kept: [kept]});
		await using _ = screen;
		assert.match(screen.text(), /some tables or schemas of it: as you left it/);
		await screen.type('o');
		await screen.waitFor(text => /owner +app/.test(text), 'the kept owner');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('order_lines'), 'the tree');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('has been changed so far'), 'the plan');
		const [request] = called(engine, 'planRestore');
		assert.deepEqual(
			[request?.databases, request?.only, request?.onlySchema, request?.compare],
			[['orders'], ['public.orders'], [], 'auto'],
		);
		assert.ok(engine.calls.some(([name, key]) => name === 'forgetDraft' && key === own.key));
	});

	it('leads from a stop to the field that solves it', async () => {
		const {engine, screen} = await openMenu({
			findings: [
				{
					severity: 'stop',
					code: 'TARGET_LACKS',
					text: 'locale xx_XX does not exist',
					hint: '--locale LOCALE replaces it',
				},
				{severity: 'warn', text: 'these dumps have no manifest'},
			],
		});
		await using _ = screen;
		await screen.type('n');
		await screen.waitFor(text => text.includes('✓ free'), 'the server');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('order_lines'), 'the tree');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('✗ locale xx_XX does not exist'), 'the stop');
		assert.match(screen.text(), /! these dumps have no manifest/);
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('▸ locale'), 'the field');
		assert.deepEqual(called(engine, 'restore'), []);
	});

	it('replaces only what was typed by name', async () => {
		const {engine, screen} = await openMenu({});
		await using _ = screen;
		await screen.type('r');
		await screen.waitFor(text => text.includes('3 sessions'), 'the database');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('order_lines'), 'the tree');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('type orders to replace it'), 'the question');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('type orders first'), 'the reminder');
		await screen.type(...chars('order'), keys.enter);
		await screen.waitFor(text => text.includes('this is not orders'), 'the refusal');
		assert.deepEqual(called(engine, 'restore'), []);
		await screen.type('s', keys.enter);
		await screen.waitFor(text => text.includes('Replace orders now?'), 'the last question');
		assert.deepEqual(engine.calls.find(([name]) => name === 'restore')?.[2], ['orders']);
		await screen.type(...chars('orders'), keys.enter);
		await screen.waitFor(text => text.includes('orders: restored'), 'the outcome');
		assert.deepEqual(engine.calls.find(([name]) => name === 'answer')?.[2], 'orders');
	});

	it('replaces nothing after Esc at the last question, which Enter on the job brings back', async () => {
		const {engine, screen} = await openMenu({});
		await using _ = screen;
		await screen.type('r');
		await screen.waitFor(text => text.includes('3 sessions'), 'the database');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('order_lines'), 'the tree');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('type orders to replace it'), 'the question');
		await screen.type(...chars('orders'), keys.enter);
		await screen.waitFor(text => text.includes('Replace orders now?'), 'the last question');
		await screen.type(keys.escape);
		await screen.waitFor(text => text.includes('waits for you'), 'the waiting job');
		assert.equal(
			engine.calls.some(([name]) => name === 'answer'),
			false,
		);
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('Replace orders now?'), 'the last question again');
	});

	it('brings back chosen tables, and shows what comes along', async () => {
		const {engine, screen} = await openMenu({});
		await using _ = screen;
		await screen.type('o');
		await screen.waitFor(text => text.includes('3 sessions'), 'the database');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('nothing is chosen yet'), 'the tree');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('space chooses a table'), 'the reminder');
		await screen.type('/', ...chars('order_l'), keys.enter);
		await screen.type(keys.down, keys.down, ' ');
		await screen.waitFor(text => text.includes('[x] order_lines'), 'the choice');
		assert.match(screen.text(), /depends on it, where it is missing:[^]*view public\.open_orders/);
		await screen.type('d');
		await screen.waitFor(text => text.includes('views and foreign keys that depend'), 'without dependents');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('in one transaction'), 'the plan');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('orders: restored'), 'the outcome');
		const [request] = called(engine, 'restore');
		assert.deepEqual([request?.only, request?.onlySchema, request?.noDependents], [['public.order_lines'], [], true]);
	});

	it('shows the commands, each for what it says', async () => {
		const {screen} = await openMenu({}, {columns: 140, rows: 30});
		await using _ = screen;
		await screen.type('c');
		await screen.waitFor(text => text.includes('The commands of a restore'), 'the commands');
		const text = screen.text();
		const after = (title: string) => new RegExp(`${title}[ │]*\n[ │]*(pg_back .*?)[ │]*\n`).exec(text)?.[1] ?? text;
		assert.match(after('What it would do, and what is missing for it'), /^pg_back --dry-run .* orders$/);
		assert.match(after('One table that was dropped'), / --only SCHEMA\.TABLE (?!.*--replace).*orders$/);
		assert.match(after('In place of the database that exists'), / --replace .*orders$/);
	});

	it('offers a way on for a failure', async () => {
		for (const [failure, way] of [
			[new PgBackError('WRONG_KEY', 'the key does not open it'), 'give another key'],
			[new PgBackError('CORRUPT', 'the dump is damaged'), 'choose another run or location'],
			[new PgBackError('EXISTS', 'database orders exists'), 'change where to and how'],
			[
				new PgBackError('FAILED', 'cannot restore orders at TABLE public.order_lines: syntax error', {
					skip: ['public.order_lines'],
				}),
				'again without public.order_lines: the result is NOT complete',
			],
		] as const) {
			const {screen} = await openMenu({failure});
			await using _ = screen;
			await screen.type('n');
			await screen.waitFor(text => text.includes('✓ free'), 'the server');
			await screen.type(keys.enter);
			await screen.waitFor(text => text.includes('order_lines'), 'the tree');
			await screen.type(keys.enter);
			await screen.waitFor(text => text.includes('enter START'), 'the plan');
			await screen.type(keys.enter);
			await screen.waitFor(text => text.includes('NOT restored') && text.includes(way), way);
		}
	});

	it('fits every size', async () => {
		const {screen} = await openMenu({});
		await using _ = screen;
		await screen.type('o');
		await screen.waitFor(text => text.includes('3 sessions'), 'the database');
		for (const [columns, rows] of [
			[80, 24],
			[60, 20],
			[40, 10],
			[100, 30],
		] as const) {
			await screen.become(columns, rows);
			await screen.waitFor(text => text.includes('1 where') && text.includes('enter next'), `${columns}x${rows}`);
		}
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('nothing is chosen'), 'the tree');
		for (const [columns, rows] of [
			[80, 24],
			[60, 20],
			[40, 10],
			[100, 30],
		] as const) {
			await screen.become(columns, rows);
			await screen.waitFor(text => text.includes('2 what') && text.includes('enter plan'), `${columns}x${rows}`);
		}
	});
});
