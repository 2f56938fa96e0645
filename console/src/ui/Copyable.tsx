import { Button, VisuallyHidden } from '@mantine/core';
import { useEffect, useState } from 'react';
import { copy } from './clipboard';
import classes from './Copyable.module.css';

type Outcome = 'idle' | 'copied' | 'refused';

const WORDS: Record<Outcome, string> = { idle: 'Copy', copied: 'Copied', refused: 'Select it' };

interface CopyableProps {
  /** What the text is, for people who hear the page: "Copy the …". Unique on the page. */
  name: string;
  text: string;
}

/** Text in a box of its own, with a button that copies it. */
export function Copyable({ name, text }: CopyableProps) {
  const [outcome, setOutcome] = useState<Outcome>('idle');

  useEffect(() => {
    if (outcome === 'idle') return;
    const timer = setTimeout(() => {
      setOutcome('idle');
    }, 2_000);
    return () => {
      clearTimeout(timer);
    };
  }, [outcome]);

  const press = async () => {
    setOutcome((await copy(text)) ? 'copied' : 'refused');
  };

  return (
    <div className={classes.box} data-lines={text.includes('\n') ? 'many' : 'one'}>
      {/* Focusable, because a keyboard must be able to scroll what does not fit. */}
      <pre className={classes.text} tabIndex={0} role="group" aria-label={name}>
        <code>{text}</code>
      </pre>
      <Button
        variant="default"
        size="compact-sm"
        className={classes.button}
        data-outcome={outcome}
        onClick={() => void press()}
      >
        {WORDS[outcome]}
        <VisuallyHidden> the {name}</VisuallyHidden>
      </Button>
      <VisuallyHidden role="status">{outcome === 'copied' ? `Copied the ${name}` : ''}</VisuallyHidden>
    </div>
  );
}
