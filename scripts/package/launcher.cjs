// Starts the program inside the single executable: its modules come from the executable's assets, under an address of their own.
'use strict';
const {createRequire, registerHooks} = require('node:module');
const {getAsset} = require('node:sea');
const {prepare, printed} = require('../../source/launch.cjs');
const base = 'file:///pg_back.executable/';

if (!printed(process.argv.slice(2), name => getAsset(name, 'utf8'))) {
	prepare();
	registerHooks({resolve, load});
	createRequire(base)(`${base}cli.js`);
}

function resolve(specifier, context, next) {
	const isOurs = specifier.startsWith('./') && context.parentURL?.startsWith(base);
	const url = isOurs ? new URL(specifier, context.parentURL).href : specifier;
	return url.startsWith(base) ? {url, format: 'module', shortCircuit: true} : next(specifier, context);
}

function load(url, context, next) {
	if (!url.startsWith(base)) return next(url, context);
	return {format: 'module', source: getAsset(url.slice(base.length), 'utf8'), shortCircuit: true};
}
