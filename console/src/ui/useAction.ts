import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { messageOf } from '../api/error';
import { withProof } from '../session/proof';

/**
 * Something that a press of a button does, with nothing to fill in. What went wrong is said in a
 * corner of the page; where the server wants a fresh proof of who one is, it is asked for.
 */
export function useAction<Input = void>(
  act: (input: Input) => Promise<unknown>,
  said?: string,
): { run: (input: Input) => void; isRunning: boolean } {
  const acting = useMutation({
    mutationFn: (input: Input) => withProof(() => act(input)),
    onSuccess: () => {
      if (said) notifications.show({ message: said });
    },
    onError: (error) => {
      notifications.show({ color: 'red', title: 'That did not work', message: messageOf(error) });
    },
  });
  return { run: acting.mutate, isRunning: acting.isPending };
}
