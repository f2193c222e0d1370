// What both launchers do before the program is loaded: pg_back.cjs and the single executable's. Plain old syntax, because
// pg_back.cjs has to run on a Node that is too old.
'use strict';
var fs = require('fs');

/**
 * Prints the version or the help if these arguments ask for just that, and returns whether it did. `read` returns the text
 * that the program printed when it was built, by the name of its file.
 */
exports.printed = function (parameters, read) {
	var name = {'--version': 'version', '-V': 'version', '--help': 'help', '-?': 'help'}[parameters[0]];
	if (parameters.length !== 1 || name === undefined) return false;
	try {
		// In a terminal the help is as wide as that.
		var output = fs.fstatSync(1);
		var isNull = output.isCharacterDevice() && output.rdev === 0x103;
		if (output.isCharacterDevice() && !isNull && name === 'help') return false;
		var text = Buffer.from(read(name + '.txt'));
		// Short of room (a full disk, a slow reader) the program itself writes, and says what is wrong.
		return fs.writeSync(1, text) === text.length || failed();
	} catch (error) {
		return false;
	}
};

/** A part is written already, and would be written again. */
function failed() {
	process.stderr.write('pg_back: error: cannot write to standard output\n');
	process.exitCode = 1;
	return true;
}

/** Sets up the process for everything that is loaded from now on. */
exports.prepare = function () {
	// It turns the verification of certificates off: anybody on the way to a remote location could pretend to be it.
	delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
	// Nobody else may read what we write, from the first byte on; a stricter umask of the caller's stays.
	var others = parseInt('77', 8);
	process.umask(process.umask(others) | others);
	try {
		// In our own home: anyone who can write to the cache (Node's default is a shared directory in /tmp) could change the code
		// that we run.
		var home = require('os').userInfo().homedir;
		require('module').enableCompileCache(process.env.NODE_COMPILE_CACHE || home + '/.cache/pg_back');
	} catch (error) {
		// A user without an entry in the system's list has no home, and no cache.
	}
};
