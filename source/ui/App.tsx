import {Box, useInput, type Key} from 'ink';
import {useSyncExternalStore} from 'react';
import {DialogPanel} from './components/DialogPanel.js';
import {StatusLine} from './components/StatusLine.js';
import type {Frame} from './console.js';
import {tooSmall} from './layout/regions.js';
import {Detail} from './screens/Detail.js';
import {Files} from './screens/Files.js';
import {Jobs} from './screens/Jobs.js';
import {Logs} from './screens/Logs.js';

export type FrameStore = {
	readonly subscribe: (listener: () => void) => () => void;
	readonly frame: () => Frame;
};

type Props = {readonly store: FrameStore; readonly onInput: (input: string, key: Key) => void};

const screenComponents = {jobs: Jobs, detail: Detail, files: Files, logs: Logs} as const;

/** The whole screen: exactly as wide and as high as the terminal, from one frame of the store. */
export function App({store, onInput}: Props) {
	const frame = useSyncExternalStore(store.subscribe, store.frame);
	useInput(onInput);
	return (
		<Box width={frame.columns} height={frame.rows} flexDirection="column">
			<Content frame={frame} />
		</Box>
	);
}

function Content({frame}: {readonly frame: Frame}) {
	if (tooSmall(frame.columns, frame.rows)) return <StatusLine frame={frame} />;
	if (frame.view.dialog) return <DialogPanel frame={frame} dialog={frame.view.dialog} />;
	const Screen = screenComponents[frame.view.screen];
	return <Screen frame={frame} />;
}
