#!/usr/bin/env node
// The launcher: plain old syntax, so that a Node that is too old says so instead of dying of a syntax error.
'use strict';
var launch = require('./launch.cjs');
var version = process.versions.node.split('.').map(Number);
function atLeast(major, minor) {
	return version[0] > major || (version[0] === major && version[1] >= minor);
}
if (version[0] < 22 || !atLeast(22, 22) || (version[0] === 24 && version[1] < 15)) {
	process.stderr.write(
		'pg_back: error: needs Node.js 22.22 or newer (24.15 in the 24 series), this is ' +
			process.versions.node +
			' at ' +
			process.execPath +
			'; run it with a newer one: /path/to/node ' +
			__filename +
			'\n',
	);
	process.exit(70);
} else if (!launch.printed(process.argv.slice(2), read)) {
	launch.prepare();
	require('./cli.js');
}

function read(name) {
	return require('fs').readFileSync(__dirname + '/' + name);
}
