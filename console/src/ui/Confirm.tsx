import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { messageOf } from '../api/error';
import { Problem } from './Problem';

interface ConfirmProps {
  isOpen: boolean;
  close: () => void;
  title: string;
  /** What will happen, what breaks, and that it cannot be undone where that is so. */
  children: ReactNode;
  /** The word on the button: what it does. */
  action: string;
  /** Must be typed before the button works, where there is no way back. */
  typed?: string | undefined;
  act: () => Promise<unknown>;
}

/** Asks before something is done that is hard or impossible to undo. */
export function Confirm(props: ConfirmProps) {
  return (
    <Modal opened={props.isOpen} onClose={props.close} title={props.title}>
      {props.isOpen && <Question {...props} />}
    </Modal>
  );
}

function Question({ close, children, action, typed, act }: ConfirmProps) {
  const [text, setText] = useState('');
  const acting = useMutation({ mutationFn: act, onSuccess: close });
  const isReady = typed === undefined || text.trim() === typed;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady && !acting.isPending) acting.mutate();
      }}
    >
      <Stack gap="md">
        <Text component="div" size="sm">
          {children}
        </Text>
        {typed !== undefined && (
          <TextInput
            label={
              <>
                Type <b>{typed}</b> to go on
              </>
            }
            value={text}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
            onChange={(event) => {
              setText(event.currentTarget.value);
            }}
          />
        )}
        <Problem text={acting.isError ? messageOf(acting.error) : null} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" color="red" loading={acting.isPending} disabled={!isReady}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
