#!/usr/bin/env node
// The launcher: plain old syntax, so that a Node that is too old says so instead of dying of a syntax error.
'use strict';
var fs = require('fs');
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
} else if (process.argv.length !== 3 || !printed(process.argv[2])) {
	start();
}

/** What is only printed is beside us, as the program printed it when it was built: it is loaded for nothing else. */
function printed(option) {
	var name = {'--version': 'version', '-V': 'version', '--help': 'help', '-?': 'help'}[option];
	if (name === undefined) return false;
	try {
		// In a terminal the help is as wide as that.
		var output = fs.fstatSync(1);
		var isNull = output.isCharacterDevice() && output.rdev === 0x103;
		if (output.isCharacterDevice() && !isNull && name === 'help') return false;
		var text = fs.readFileSync(__dirname + '/' + name + '.txt');
		// Short of room (a full disk, a slow reader) the program itself writes, and says what is wrong.
		return fs.writeSync(1, text) === text.length || failed();
	} catch (error) {
		return false;
	}
}

/** A part is written already, and would be written again. */
function failed() {
	process.stderr.write('pg_back: error: cannot write to standard output\n');
	process.exitCode = 1;
	return true;
}

function start() {
	// Nobody else may read what we write, from the first byte on; a stricter umask of the caller's stays.
	var others = parseInt('77', 8);
	process.umask(process.umask(others) | others);
	try {
		// In our own home: whoever could write to a cache (Node's own choice is a directory of all, in /tmp) could change what we run.
		var home = require('os').userInfo().homedir;
		require('module').enableCompileCache(process.env.NODE_COMPILE_CACHE || home + '/.cache/pg_back');
	} catch (error) {
		// A user without an entry in the system's list has no home: it goes without.
	}
	require('./cli.js');
}
