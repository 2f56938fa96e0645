import { Button, Fieldset, Group, Modal, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import type { ApiForm } from './form';
import classes from './FormModal.module.css';
import { Problem } from './Problem';

interface FormModalProps {
  isOpen: boolean;
  close: () => void;
  title: string;
  size?: 'md' | 'lg';
  /** What is in it; made anew each time it opens, so that nothing of the last time is left. */
  children: ReactNode;
}

/** A dialog that holds a form. */
export function FormModal({ isOpen, close, title, size = 'md', children }: FormModalProps) {
  return (
    <Modal opened={isOpen} onClose={close} title={title} size={size}>
      {isOpen && children}
    </Modal>
  );
}

interface FormBodyProps<Values> {
  of: ApiForm<Values>;
  close?: () => void;
  /** The word on the button: what it does. */
  action: string;
  /** Whether it is only shown: no button, and nothing that can be changed. */
  isReadOnly?: boolean;
  children: ReactNode;
}

/** The fields of a form, what the server says of it as a whole, and its buttons. */
export function FormBody<Values>(props: FormBodyProps<Values>) {
  const { of, close, action, isReadOnly = false, children } = props;
  if (isReadOnly) {
    return (
      <Fieldset variant="unstyled" disabled className={classes.shown}>
        <Stack gap="md">{children}</Stack>
      </Fieldset>
    );
  }
  return (
    <form onSubmit={of.submit} noValidate>
      <Stack gap="md">
        {children}
        <Problem text={of.problem} />
        <Group justify={close ? 'flex-end' : 'flex-start'}>
          {close && (
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
          )}
          <Button type="submit" loading={of.isSending}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
