package cli

import "github.com/spf13/cobra"

func (a *app) claimCommand() *cobra.Command { return &cobra.Command{} }
