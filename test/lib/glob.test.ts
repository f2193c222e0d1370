import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {compileGlob} from '../../source/lib/glob.js';
import {cpuMilliseconds} from '../helpers/cpu.js';

// The table of Go's own path/match_test.go: pattern, name, whether it matches; undefined is ErrBadPattern.
const table: [string, string, boolean | undefined][] = [
	['abc', 'abc', true], ['*', 'abc', true], ['*c', 'abc', true], ['a*', 'a', true], ['a*', 'abc', true], ['a*', 'ab/c', false],
	['a*/b', 'abc/b', true], ['a*/b', 'a/c/b', false], ['a*b*c*d*e*/f', 'axbxcxdxe/f', true], ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
	['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false], ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false], ['a*b?c*x', 'abxbbxdbxebxczzx', true],
	['a*b?c*x', 'abxbbxdbxebxczzy', false], ['ab[c]', 'abc', true], ['ab[b-d]', 'abc', true], ['ab[e-g]', 'abc', false], ['ab[^c]', 'abc', false],
	['ab[^b-d]', 'abc', false], ['ab[^e-g]', 'abc', true], ['a\\*b', 'a*b', true], ['a\\*b', 'ab', false], ['a?b', 'a☺b', true],
	['a[^a]b', 'a☺b', true], ['a???b', 'a☺b', false], ['a[^a][^a][^a]b', 'a☺b', false], ['[a-ζ]*', 'α', true], ['*[a-ζ]', 'A', false],
	['a?b', 'a/b', false], ['a*b', 'a/b', false], ['[\\]a]', ']', true], ['[\\-]', '-', true], ['[x\\-]', 'x', true], ['[x\\-]', '-', true],
	['[x\\-]', 'z', false], ['[\\-x]', 'x', true], ['[\\-x]', '-', true], ['[\\-x]', 'a', false], ['[]a]', ']', undefined], ['[-]', '-', undefined],
	['[x-]', 'x', undefined], ['[x-]', '-', undefined], ['[x-]', 'z', undefined], ['[-x]', 'x', undefined], ['[-x]', '-', undefined],
	['[-x]', 'a', undefined], ['\\', 'a', undefined], ['[a-b-c]', 'a', undefined], ['[', 'a', undefined], ['[^', 'a', undefined],
	['[^bc', 'a', undefined], ['a[', 'a', undefined], ['a[', 'ab', undefined], ['a[', 'x', undefined], ['a/b[', 'x', undefined], ['*x', 'xxx', true],
	// Beyond that table.
	['', '', true], ['', 'a', false], ['**', 'a/b', false], ['**', 'ab', true], ['*/*', 'a/b', true], ['a?', 'a😀', true], ['[/]', '/', true],
	['[a*]b', '*b', true], ['[z-a]', 'b', false], ['*\\', 'a', undefined], ['[\\', 'a', undefined], ['[a\\]', 'a', undefined], ['*.age', '.age', true],
	['a*a', 'a', false], ['*a*', 'bab', true], ['b1_*.dump', 'pre/b1_1.dump', false], ['pre/*', 'pre/', true], ['[^a]', '/', true],
]; // prettier-ignore

describe('a glob', () => {
	for (const [pattern, name, expected] of table) {
		it(`${pattern} and ${name}: ${String(expected)}`, () => {
			assert.equal(compileGlob(pattern)?.(name), expected);
		});
	}

	it('agrees with a plain recursive reading of the rules', () => {
		const character = fc.constantFrom('a', 'b', '/', '*', '?');
		const pattern = fc.array(character, {maxLength: 8}).map(parts => parts.join(''));
		const name = fc.array(fc.constantFrom('a', 'b', '/'), {maxLength: 8}).map(parts => parts.join(''));
		const slow = (glob: string, text: string): boolean => {
			if (glob === '') return text === '';
			if (glob[0] === '*')
				return slow(glob.slice(1), text) || (text !== '' && text[0] !== '/' && slow(glob, text.slice(1)));
			if (text === '') return false;
			return (glob[0] === '?' ? text[0] !== '/' : glob[0] === text[0]) && slow(glob.slice(1), text.slice(1));
		};
		fc.assert(
			fc.property(pattern, name, (glob, text) => compileGlob(glob)?.(text) === slow(glob, text)),
			{numRuns: 3000},
		);
	});

	it('matches any text that has been escaped, and only that', () => {
		fc.assert(
			fc.property(fc.string({unit: 'grapheme'}), fc.string(), (text, other) => {
				const escaped = text.replaceAll(/[\\*?[\]]/g, '\\$&');
				const matches = compileGlob(escaped);
				return matches?.(text) === true && matches(other) === (other === text);
			}),
		);
	});

	it('needs no exponential time', () => {
		const matches = compileGlob(`${'*a'.repeat(200)}*b`);
		const began = cpuMilliseconds();
		assert.equal(matches?.('a'.repeat(20_000)), false);
		assert.ok(cpuMilliseconds() - began < 2000);
	});
});
