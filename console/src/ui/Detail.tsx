import { Anchor, Drawer } from '@mantine/core';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import classes from './Detail.module.css';

/** Which of a list's rows is looked at closely: the address says it under this name. */
export function useDetail(name: string): { id: string | undefined; close: () => void } {
  const search: Record<string, unknown> = useSearch({ strict: false });
  const navigate = useNavigate();
  const id = search[name];
  return {
    id: typeof id === 'string' ? id : undefined,
    close: () => {
      void navigate({
        to: '.',
        search: (before: object) => ({ ...before, [name]: undefined }),
        resetScroll: false,
      });
    },
  };
}

interface DetailLinkProps {
  name: string;
  id: string;
  /** Read aloud in place of what is shown. */
  label?: string;
  children: ReactNode;
}

/** Leads from a row to what there is to know of it: a link, so that it can be shared. */
export function DetailLink({ name, id, label, children }: DetailLinkProps) {
  return (
    <Anchor
      renderRoot={(props) => (
        <Link
          {...props}
          to="."
          search={(before: object) => ({ ...before, [name]: id }) as never}
          resetScroll={false}
        />
      )}
      aria-label={label}
      fw={550}
      inherit
    >
      {children}
    </Anchor>
  );
}

interface DetailProps {
  isOpen: boolean;
  close: () => void;
  title: ReactNode;
  children: ReactNode;
}

/** What there is to know of one row, beside the list. */
export function Detail({ isOpen, close, title, children }: DetailProps) {
  return (
    <Drawer.Root opened={isOpen} onClose={close} position="right" size="lg">
      <Drawer.Overlay />
      <Drawer.Content>
        <Drawer.Body>
          {/* Mantine's own head is a <header>, which would be a second banner of the page. */}
          <div className={classes.head}>
            <Drawer.Title className={classes.title}>{title}</Drawer.Title>
            <Drawer.CloseButton aria-label="Close" />
          </div>
          {isOpen && children}
        </Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  );
}
